"""What the live view reads from run folders."""

import json
import os
import time
from itertools import pairwise

import pytest

from dream3d.watch.runs import POINTS, QUIET, Curves, Runs


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "outputs" / "a-run"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("prompt: a box\nseed: 3\nsteps: 10\nrefine: {steps: 4}\ntexture: {steps: 0}\n")
    (folder / ".lock").touch()
    rows(folder / "metrics.jsonl", range(3))
    return folder


def rows(file, steps, mode="a"):
    with file.open(mode) as out:
        out.writelines(json.dumps({"step": step, "loss": step / 2, "odd": None}) + "\n" for step in steps)


def test_progress_curves_and_state(run, tmp_path):
    (found,) = Runs([tmp_path / "outputs"]).all()
    said = found.details()
    assert (said["prompt"], said["seed"], said["stage"], said["done"], said["total"]) == ("a box", 3, "coarse", 3, 10)
    assert said["curves"] == {"coarse": {"step": [0, 1, 2], "loss": [0.0, 0.5, 1.0], "odd": [None] * 3}}
    assert said["state"] == "running" and said["files"] == {} and said["log"] == []
    rows(run / "metrics-refine.jsonl", range(2))
    (run / "log.txt").write_text("one\ntwo\n")
    assert (found.summary()["stage"], found.summary()["done"], found.summary()["total"]) == ("refine", 2, 4)
    assert found.details()["log"] == ["one", "two"]


def test_finished_and_stopped(run, tmp_path):
    (found,) = Runs([run]).all()
    long_ago = time.time() - QUIET - 5
    for file in run.iterdir():
        os.utime(file, (long_ago, long_ago))
    assert found.state() == "stopped"
    (run / "run.json").write_text("{}")
    assert found.state() == "finished"
    found.refresh()
    rows(run / "metrics.jsonl", [3])
    os.utime(run / "run.json", (long_ago, long_ago))
    assert found.summary()["state"] == "running"  # resumed


def test_a_run_that_took_its_lock_away_is_stopped_at_once(run):
    (found,) = Runs([run]).all()
    assert found.state() == "running"
    (run / ".lock").unlink()
    assert found.state() == "stopped"


def test_half_a_line_waits_and_a_shorter_file_is_read_again(run):
    curves = Curves(run / "metrics.jsonl")
    with curves.file.open("a") as file:
        file.write('{"step": 3, "lo')
    curves.read()
    assert curves.last["step"] == 2
    with curves.file.open("a") as file:
        file.write('ss": 9}\n')
    curves.read()
    assert curves.last == {"step": 3, "loss": 9} and len(curves.rows) == 4
    rows(curves.file, [0, 1], "w")
    curves.read()
    assert [row["step"] for row in curves.rows] == [0, 1]


def test_long_curves_are_thinned_evenly(run):
    rows(run / "metrics.jsonl", range(5000), "w")
    curves = Curves(run / "metrics.jsonl")
    curves.read()
    steps = [row["step"] for row in curves.rows]
    assert POINTS / 2 <= len(steps) <= POINTS and len({b - a for a, b in pairwise(steps)}) == 1
    assert curves.last["step"] == 4999


def test_new_runs_are_found_and_what_is_no_run_is_not(run, tmp_path):
    runs = Runs([tmp_path / "outputs"])
    assert len(runs.all()) == 1
    other = tmp_path / "outputs" / "prompts" / "001-b"
    other.mkdir(parents=True)
    (other / "config.yaml").touch()  # a run that begins
    assert len(runs.all()) == 1
    (other / "config.yaml").write_text((run / "config.yaml").read_text())
    assert {r.folder for r in runs.all()} == {run, other}
    assert runs.find(runs.all()[0].key) is runs.all()[0] and runs.find("../..") is None


def test_a_link_out_of_the_folder_is_not_shown(run, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    (run / "preview.png").symlink_to(tmp_path / "secret.png")
    (run / "mesh.glb").write_bytes(b"glTF")
    (found,) = Runs([run]).all()
    assert list(found.files()) == ["mesh.glb"]
