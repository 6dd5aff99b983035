import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time

from dream3d.compare.claims import abandoned, claimed, lives, take, take_over


def contend(folder, start, results):
    """One of several processes that want all of twenty runs."""
    start.wait()
    for i in range(20):
        with claimed(folder / str(i)) as mine:
            if mine and not (folder / str(i) / "done").exists():
                (folder / str(i) / "done").touch()
                results.put(i)


def test_every_run_is_done_by_exactly_one_of_four_processes(tmp_path):
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    workers = [context.Process(target=contend, args=(tmp_path, start, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    found = [results.get(timeout=60) for _ in range(20)]
    for worker in workers:
        worker.join()
    assert sorted(found) == list(range(20)) and results.empty()
    assert list(tmp_path.rglob("*claim*")) == []


def test_a_claim_keeps_others_out_and_is_given_up_at_the_end(tmp_path):
    with claimed(tmp_path) as mine:
        assert mine
        with claimed(tmp_path) as other:
            assert not other
        assert (tmp_path / "claim.json").exists()
    with claimed(tmp_path) as again:
        assert again


def test_a_dead_processs_claim_is_taken_over_at_once(tmp_path):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (tmp_path / "claim.json").write_text(json.dumps({"host": socket.gethostname(), "pid": int(gone.stdout)}))
    with claimed(tmp_path) as mine:
        assert mine


def test_a_claim_that_was_never_finished_is_taken_over_after_silence(tmp_path):
    file = tmp_path / "claim.json"
    for half in ("", '{"host": "he'):
        file.write_text(half)
        assert not abandoned(file, stale=100)
        os.utime(file, (time.time() - 1000,) * 2)
        assert abandoned(file, stale=100)


def test_another_machines_claim_only_after_silence(tmp_path):
    file = tmp_path / "claim.json"
    file.write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    assert not abandoned(file, stale=100)
    with claimed(tmp_path) as mine:
        assert not mine
    long_ago = time.time() - 1000
    os.utime(file, (long_ago, long_ago))
    assert abandoned(file, stale=100)
    with claimed(tmp_path) as mine:
        assert mine


def test_a_living_holder_gives_signs_of_life(tmp_path):
    file = tmp_path / "claim.json"
    with claimed(tmp_path, beat=0.01):
        os.utime(file, (0, 0))
        until = time.monotonic() + 30
        while file.stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.01)
        assert file.stat().st_mtime > 0


def test_only_one_takes_over(tmp_path):
    """The second finds a fresh claim where it saw a stale one, and leaves it."""
    file = tmp_path / "claim.json"
    file.write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    os.utime(file, (0, 0))
    assert take_over(file, stale=100) and not take(file)
    assert not take_over(file, stale=100)
    assert json.loads(file.read_text())["pid"] == os.getpid()
    assert [f.name for f in tmp_path.iterdir()] == ["claim.json"]


def test_processes_live_or_not():
    assert lives(os.getpid()) and not lives(0)
