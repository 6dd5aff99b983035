"""A run that is stopped, in whatever way, and resumed ends as one that never was."""

import json
import signal
import time

import pytest
import torch
from small_run import (
    differences,
    process,
    rebuild,
    steps_logged,
    stopped_after,
    tiny_prior,
    without_pictures,
)

from dream3d.cli.main import command
from dream3d.run import checkpoint

PARTICLES = ("particles=2", "background=learned", "regularize=default")
SLOWED = (
    "-c import time, dream3d.run.stages as s; scalars = s.scalars; "
    "s.scalars = lambda step: (time.sleep(0.1), scalars(step))[1]; "
    "from dream3d.cli.main import main; main()"
)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    without_pictures(monkeypatch)


def state(folder):
    return checkpoint.load(folder / "checkpoint.pt")


def same_end(a, b) -> None:
    """The same checkpoint, the same log, the same files."""
    assert differences(state(a), state(b)) == []
    assert (a / "metrics.jsonl").read_bytes() == (b / "metrics.jsonl").read_bytes()
    for name in ("mesh.glb", "preview.png"):
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def waiting(until, process) -> None:
    """Wait for it, at most a minute."""
    end = time.monotonic() + 60
    while not until():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "nothing happened for a minute"
        time.sleep(0.02)


def test_the_comparison_sees_one_bit():
    a = {"x": [torch.zeros(3)], "n": 1}
    assert differences(a, {"x": [torch.zeros(3)], "n": 1}) == []
    assert differences(a, {"x": [torch.tensor([0.0, 1e-45, 0.0])], "n": 1}) == ["/x/0"]
    assert differences(a, {"x": [torch.zeros(3)], "n": 2}) == ["/n"]


@pytest.mark.parametrize("more", [(), PARTICLES], ids=["sds", "two particles"])
def test_six_steps_are_three_a_stop_and_three(tmp_path, monkeypatch, capsys, more):
    whole, halves = tmp_path / "whole", tmp_path / "two halves"
    assert command(rebuild(tmp_path, "steps=6", f"out={whole}", *more)) == 0
    code = stopped_after(monkeypatch, rebuild(tmp_path, "steps=6", f"out={halves}", *more), 3)
    assert code == 130
    said = f"stopped in coarse at step 3 of 6; resume with: python -m dream3d 'resume={halves}'"
    assert said in capsys.readouterr().out
    half = state(halves)
    assert half["step"] == 3 and steps_logged(halves) == 3 and not (halves / "mesh.glb").exists()
    assert differences(half["state"]["fields"], state(whole)["state"]["fields"]) != []
    assert command([f"resume={halves}"]) == 0
    same_end(whole, halves)
    assert [json.loads(line)["step"] for line in (whole / "metrics.jsonl").open()] == list(range(6))


def test_the_student_of_vsd_resumes_exactly(tmp_path, monkeypatch):
    words = [
        "prior=mini", f"prior.path={tiny_prior(tmp_path)}", "prior.dtype=float32", "distill=vsd",
        "prompt=a corgi", "steps=4", "threads=1", "device=cpu", "size=16", "batch_size=1", "render.samples=16",
        "render.occupancy=8", "field.resolutions=[8]", "mesh.resolution=16", "mesh.size=32", "mesh.faces=100",
        "mesh.formats=[glb]", "refine=none",
    ]  # fmt: skip
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert command([*words, f"out={whole}"]) == 0
    assert stopped_after(monkeypatch, [*words, f"out={halves}"], 2) == 130
    student = state(halves)["state"]["student"]
    assert student["step"] == 2 and any(a.abs().sum() > 0 for k, a in student["lora"].items() if "lora_B" in k)
    assert command([f"resume={halves}"]) == 0
    same_end(whole, halves)
    assert state(whole)["state"]["student"]["step"] == 4


def test_a_killed_run_continues_as_if_nothing_had_happened(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert command(rebuild(tmp_path, "steps=12", f"out={whole}")) == 0
    running = process(SLOWED, rebuild(tmp_path, "steps=12", f"out={killed}"))
    waiting(lambda: steps_logged(killed) >= 5, running)
    running.kill()
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    assert 3 <= state(killed)["step"] < 12 and not (killed / "mesh.glb").exists()
    assert command([f"resume={killed}"]) == 0
    same_end(whole, killed)


def test_ctrl_c_saves_and_says_how_to_continue(tmp_path):
    out = tmp_path / "run"
    running = process("-m dream3d", rebuild(tmp_path, "steps=100000", "checkpoint_every=100000", f"out={out}"))
    waiting(lambda: steps_logged(out) >= 2, running)
    running.send_signal(signal.SIGINT)
    said, errors = running.communicate(timeout=60)
    assert running.returncode == 130 and errors == ""
    steps = state(out)["step"]
    end = f"stopped in coarse at step {steps} of 100000; resume with: python -m dream3d resume={out}"
    assert said.rstrip().endswith(end)
    assert steps == steps_logged(out) >= 2
    # Only the number of steps may be changed: here to end at once.
    assert command([f"resume={out}", f"steps={steps}"]) == 0
    assert (out / "mesh.glb").exists() and state(out)["step"] == steps


def test_same_seed_same_files_and_another_seed_others(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert command(rebuild(tmp_path, "steps=2", f"seed={seed}", f"out={tmp_path / name}")) == 0
    same_end(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a/mesh.glb").read_bytes() != (tmp_path / "c/mesh.glb").read_bytes()
    assert differences(state(tmp_path / "a")["state"], state(tmp_path / "c")["state"]) != []


def test_a_finished_run_can_be_lengthened_and_finished_again(tmp_path):
    out = tmp_path / "run"
    assert command(rebuild(tmp_path, "steps=2", f"out={out}")) == 0
    (out / "mesh.glb").unlink()
    before = state(out)
    assert command([f"resume={out}"]) == 0
    assert (out / "mesh.glb").exists() and differences(before, state(out)) == []
    assert command([f"resume={out}", "steps=4"]) == 0
    assert state(out)["step"] == 4 and steps_logged(out) == 4


def test_a_new_run_in_an_old_folder_leaves_no_old_checkpoint_to_resume(tmp_path, monkeypatch):
    out = tmp_path / "run"
    assert command(rebuild(tmp_path, "steps=2", f"out={out}")) == 0
    monkeypatch.setattr("dream3d.run.stages.optimize", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert command(rebuild(tmp_path, "steps=9", "seed=1", f"out={out}", "overwrite=true")) == 130
    assert state(out)["step"] == 0 and steps_logged(out) == 0
    assert not (out / "run.json").exists() and not (out / "mesh.glb").exists()
