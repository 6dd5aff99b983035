"""What goes wrong round a run: signals, kills, a full disk, a folder that goes, two at once. One line; nothing lost."""

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from small_run import differences, during, rebuild, stopped_after, without_pictures

from dream3d.__main__ import command
from dream3d.run import checkpoint
from dream3d.run.lock import locked
from dream3d.run.telling import TIMED, Pace
from dream3d.types import Image

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

    def full(content, file):
        if content["step"] < 6:
            return save(content, file)
        file.write(b"half of it")
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


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 700 kB in memory, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(folder)]
    if (
        sys.platform != "linux"
        or os.getuid() != 0
        or subprocess.run(words, check=False, capture_output=True).returncode
    ):
        pytest.skip("needs root, and the right to mount, on Linux")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_really_full(tmp_path, small_disk, monkeypatch, capsys):
    """Full before the second checkpoint: one line, the first one is whole, and with room again the run goes on."""
    out, filler = small_disk / "run", small_disk / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    words = rebuild(tmp_path, "steps=9", "checkpoint_every=3", f"out={out}")
    assert during(monkeypatch, words, 5, fill) == 2
    err = said(capsys)[1]
    assert "cannot be written (" in err and "free disk space" in err and f"resume={out}" in err
    assert whole(out) == 3
    assert command([f"resume={out}"]) == 2, "still full"
    assert said(capsys)[1].count("\n") == 1 and whole(out) == 3
    filler.unlink()
    assert command([f"resume={out}"]) == 0 and whole(out) == 9


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


def test_how_long_it_takes_is_said_once_it_is_known(tmp_path, capsys):
    assert command(rebuild(tmp_path, "steps=40", *STAGE, f"out={tmp_path / 'run'}")) == 0
    out = said(capsys)[0]
    assert re.search(r"^coarse: about \d+ s \([\d.e-]+ s a step\); then 6 refine steps, mesh and pictures$", out, re.M)
    assert "refine: about" not in out  # over before it could be said
    assert out.index('making "a box": 40 coarse and 6 refine steps') < out.index("coarse: about")


def test_pace_is_that_of_the_steps_after_the_first(monkeypatch):
    clock = iter([100.0, 100.0 + 2.5 * TIMED, 200.0])
    monkeypatch.setattr("dream3d.run.telling.time", SimpleNamespace(monotonic=lambda: next(clock)))
    settings = OmegaConf.create({"steps": 300, "mesh_file": None, "refine": {"steps": 120}, "texture": {"steps": 0}})
    pace = Pace("coarse", 200, 300)
    lines = [pace.line(done, settings) for done in range(201, 301)]
    assert [line for line in lines if line] == [lines[TIMED]]
    assert lines[TIMED] == "coarse: about 4 min 10 s (2.5 s a step); then 120 refine steps, mesh and pictures"
    assert Pace("refine", 0, 3).line(1, settings) is None


@pytest.mark.parametrize("stage", ["coarse", "refine"])
def test_what_came_out_wrong_is_said_before_its_mesh_also_when_resumed(tmp_path, monkeypatch, capsys, stage):
    """Views of fog in the place of those of the stage's last step: named before the mesh, and not on the way."""
    from dream3d.run import stages

    looked = []

    def sides(setup):
        looked.append(stage_of(setup))
        alpha = torch.full((8, 4, 4, 1), 0.5 if looked[-1] == stage else 1.0)
        alpha[:, :, 0] = 0
        return Image(0.5 * alpha.expand(-1, -1, -1, 3), alpha)

    def stage_of(setup):
        return "coarse" if setup.seed == 0 else "refine"

    monkeypatch.setattr(stages, "sides", sides)
    out = tmp_path / "run"
    words = rebuild(tmp_path, "steps=2", *STAGE, "refine.steps=2", "preview_every=1", f"out={out}")
    assert command(words) == 0
    assert looked == ["coarse", "coarse", "refine", "refine"]
    assert said(capsys)[0].count("step 2: the scene is hazy: 100%") == 2  # at its step, and in the summary
    assert command([f"resume={out}"]) == 0
    assert said(capsys)[0].count("step 2: the scene is hazy: 100%") == 2
    assert "hazy" in (out / "run.json").read_text()
