"""What goes wrong round a run: signals, kills, a full disk, a folder that goes, two at once. One line; nothing lost."""

import errno
import random
import shutil
import signal

import pytest
import torch
from small_run import differences, during, rebuild, stopped_after, without_pictures

from dream3d.__main__ import command
from dream3d.run import checkpoint
from dream3d.run.lock import locked

STAGE = ("refine=tets", "refine.steps=6", "refine.field.resolution=16", "refine.field.levels=[4]")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    without_pictures(monkeypatch)


def said(capsys) -> tuple[str, str]:
    """What was said, and the one line of error."""
    out, err = capsys.readouterr()
    assert err.count("\n") <= 1 and "Traceback" not in err
    return out, err


def whole(folder) -> int:
    """The step of the checkpoint; nothing half written lies beside it."""
    assert [p.name for p in folder.iterdir() if "partial" in p.name or p.name == ".lock"] == []
    return checkpoint.load(folder / "checkpoint.pt")["step"]


@pytest.mark.parametrize(
    ("number", "more", "code"),
    [(signal.SIGTERM, (), 143), (signal.SIGHUP, (), 129), (signal.SIGTERM, ("requeue_code=75",), 75),
     (signal.SIGINT, ("requeue_code=75",), 130)],
)  # fmt: skip
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, monkeypatch, capsys, number, more, code):
    out = tmp_path / "run"
    words = rebuild(tmp_path, "steps=6", "checkpoint_every=100", f"out={out}", *more)
    assert stopped_after(monkeypatch, words, 2, number) == code
    assert f"stopped in coarse at step 2 of 6; resume with: python -m dream3d resume={out}" in said(capsys)[0]
    assert whole(out) == 2


def test_a_second_signal_does_not_wait(tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    words = rebuild(tmp_path, "steps=6", "checkpoint_every=100", f"out={out}")
    assert stopped_after(monkeypatch, words, 4, signal.SIGTERM, signal.SIGTERM) == 143
    assert "resume with" in said(capsys)[0] and whole(out) == 0
    assert signal.getsignal(signal.SIGTERM) is not None


def test_a_stop_in_a_later_stage_names_it_and_is_resumed_exactly(tmp_path, monkeypatch, capsys):
    a, b = tmp_path / "a", tmp_path / "b"
    for out, at in ((a, None), (b, 5)):
        words = rebuild(tmp_path, "steps=4", *STAGE, f"out={out}")
        assert (command(words) if at is None else stopped_after(monkeypatch, words, at)) == (0 if at is None else 130)
    assert "stopped in refine at step 5 of 6; resume with" in said(capsys)[0]
    assert command([f"resume={b}"]) == 0
    assert differences(*(checkpoint.load(out / "checkpoint.pt") for out in (a, b))) == []
    assert (a / "mesh.glb").read_bytes() == (b / "mesh.glb").read_bytes()


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter")]
)
def test_a_full_disk_is_one_line_and_the_checkpoint_before_stays(tmp_path, monkeypatch, capsys, error):
    out, save = tmp_path / "run", torch.save

    def full(content, path):
        if content["step"] < 6:
            return save(content, path)
        path.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr("torch.save", full)
    assert command(rebuild(tmp_path, "steps=9", f"out={out}")) == 2
    err = said(capsys)[1]
    assert "cannot be written" in err and "the previous checkpoint is intact" in err and f"resume={out}" in err
    assert whole(out) == 3
    monkeypatch.setattr("torch.save", save)
    assert command([f"resume={out}"]) == 0


def test_a_full_disk_for_other_files_is_one_line_too(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "run"
    monkeypatch.setattr("dream3d.run.stages.preview", full)
    assert command(rebuild(tmp_path, "steps=5", "preview_every=4", f"out={out}")) == 2
    assert "No space left on device), in coarse at step 4 of 5; free disk space, then run: " in said(capsys)[1]
    assert whole(out) == 3


def test_a_folder_that_goes_is_one_line(tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    words = rebuild(tmp_path, "steps=5", f"out={out}")
    assert during(monkeypatch, words, 2, lambda: shutil.rmtree(out)) == 2
    assert "there is no previous checkpoint" in said(capsys)[1] and not out.exists()


def test_two_runs_in_one_folder_at_once(tmp_path, capsys):
    out = tmp_path / "run"
    assert command(rebuild(tmp_path, "steps=1", f"out={out}")) == 0
    said(capsys)
    with locked(out):
        for words in ([f"resume={out}"], rebuild(tmp_path, "steps=1", f"out={out}", "overwrite=true")):
            assert command(words) == 2
            assert "is in use by another run (process" in said(capsys)[1]
    assert whole(out) == 1 and command([f"resume={out}"]) == 0


def test_a_flipped_bit_is_found(tmp_path):
    draw, file = random.Random(0), tmp_path / "c.pt"
    content = {"step": 3, "x": torch.arange(5000.0)}
    checkpoint.save(file, content)
    sound = file.read_bytes()
    refused = 0
    for _ in range(150):
        damaged = bytearray(sound)
        damaged[draw.randrange(len(sound))] ^= 1 << draw.randrange(8)
        file.write_bytes(damaged)
        try:
            assert differences({**content, "version": 1}, checkpoint.load(file)) == []
        except checkpoint.UserError:
            refused += 1
    assert refused > 120
    for length in range(0, len(sound), len(sound) // 20):
        file.write_bytes(sound[:length])
        with pytest.raises(checkpoint.UserError, match="damaged or truncated"):
            checkpoint.load(file)
