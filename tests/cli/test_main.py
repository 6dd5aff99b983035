"""Mistakes on the command line: one line with what was given, what was expected and how to fix it."""

import io
import os
import re
import shutil

import pytest
import torch
from rich.console import Console
from small_run import process, rebuild, tiny_prior, without_pictures

from dream3d.cli.main import by_hydra, command
from dream3d.cli.overrides import composed

HERE = "{here}"  # stands for the folder of the fixture ``place``
RUN = "<a small run>"
MINI = ("prior=mini", f"prior.path={HERE}/tiny-prior")

WRONG = {
    "empty prompt": (["prompt="], r'prompt: got an empty text.*prompt="a corgi"'),
    "no word at all": ([], r'prompt: got an empty text.*prompt="a corgi"'),
    "blank prompt": (["prompt=   "], r"prompt: got an empty text"),
    "misspelt root key": (["promt=a"], r"unknown setting 'promt'; did you mean prompt\?"),
    "misspelt group": (["prompt=a", "disstil=sds"], r"'disstil'; did you mean distill\?"),
    "misspelt member": (["prompt=a", "distill=sdss"], r"distill: got 'sdss'; did you mean sds\?.* vsd$"),
    "misspelt key in a group": (["prompt=a", "distill.loss.scal=3"], r"did you mean distill\.loss\.scale\?"),
    "key in the wrong place": (["prompt=a", "distill.scale=3"], r"did you mean distill\.loss\.scale"),
    "key without its group": (["prompt=a", "hidden=3"], r"did you mean field\.decoder\.hidden\?"),
    "added root key": (["prompt=a", "+foo=1"], r"unknown setting 'foo'; expected one of: prompt, .*, mesh"),
    "removed group": (["prompt=a", "~prior"], r"prior: it was removed.*leave out ~prior"),
    "text for a number": (["prompt=a", "steps=many"], r"steps: got 'many', expected a whole number"),
    "half a step": (["prompt=a", "steps=1.5"], r"steps: got 1\.5, expected a whole number"),
    "text for a number in a group": (
        ["prompt=a", "render.samples=x"],
        r"samples: got 'x', expected a number",
    ),
    "number for a list": (["prompt=a", "camera.azimuth=90"], r"azimuth: got 90, expected a list"),
    "text in a list of numbers": (
        ["prompt=a", "field.resolutions=[a]"],
        r"resolutions: got \['a'\], expected num",
    ),
    "number for settings": (["prompt=a", "field.decoder=3"], r"field\.decoder: got 3, expected settings"),
    "number for yes or no": (["prompt=a", "distill.time.per_batch=2"], r"got 2, expected true or false"),
    "reference to nothing": (["prompt=a", "distill.loss.scale=${stes}"], r"scale: got an interpolation.*stes"),
    "zero steps": (["prompt=a", "steps=0"], r"steps: got 0, expected a whole number from 1 to"),
    "negative views": (["prompt=a", "batch_size=-1"], r"batch_size: got -1, expected a whole number from 1 to"),
    "negative seed": (["prompt=a", "seed=-3"], r"seed: got -3, expected a whole number from 0 to"),
    "negative threads": (["prompt=a", "threads=-1"], r"threads: got -1, expected a whole number from 0 to"),
    "no noise draws": (["prompt=a", "distill.noise_samples=0"], r"distill\.noise_samples: got 0, expected"),
    "size 0": (["prompt=a", "size=0"], r"size: got 0, expected a whole number from 8 to 2048"),
    "size 100000": (["prompt=a", "size=100000"], r"size: got 100000, expected a whole number from 8 to 2048"),
    "no CUDA": (["prompt=a", "device=cuda"], r"device: got 'cuda', but .* 0 CUDA devices; use device=cpu"),
    "unknown device": (["prompt=a", "device=gpu0"], r"device: got 'gpu0', expected auto, cpu, cuda"),
    "malformed device": (["prompt=a", "device=cuda:x"], r"device: got 'cuda:x', expected auto, cpu, cuda"),
    "unknown prior": (["prompt=a", "prior=dalle"], r"prior: got 'dalle'; expected one of: .*mini.*sdxl"),
    "prior without its path": (["prompt=a", "prior=folder"], r"prior\.path: got nothing.*use prior\.path="),
    "prior.path that is not there": (
        ["prompt=a", "prior=folder", "prior.path=./nowhere"],
        r"nowhere: there is no such folder; expected",
    ),
    "prior.path of a text file": (
        ["prompt=a", "prior=folder", f"prior.path={HERE}/file.txt"],
        r"file\.txt: .*expected a diffusers folder",
    ),
    "prior.path of an empty folder": (
        ["prompt=a", "prior=sd21", f"prior.path={HERE}/empty"],
        r"empty has no model_index\.json",
    ),
    "no mesh to rebuild": (
        [RUN, f"prior.path={HERE}/empty"],
        r"empty: got no mesh file, expected some of .*a folder of 3D models",
    ),
    "garbage for a mesh": (
        [RUN, f"prior.path={HERE}/garbage.glb"],
        r"garbage\.glb: got a file that cannot be",
    ),
    "text for a mesh": ([RUN, f"prior.path={HERE}/text.ply"], r"text\.ply: got .*expected a"),
    "no pixels to rebuild": ([RUN, "prior.resolution=0"], r"prior\.resolution: got 0, expected a whole number from 8"),
    "unknown noun": (
        [*MINI, "prompt=a corgy"],
        r"prompt: got 'a corgy'.*nearest it knows: corgi.*expected one",
    ),
    "unknown word": ([*MINI, "prompt=zebra"], r"prompt: got 'zebra'.*3 things \(corgi, dog, fire truck"),
    "unknown distill": (
        ["prompt=a", "distill=dreams"],
        r"distill: got 'dreams'.*expected one of: .*sds.*vsd",
    ),
    "unknown field": (
        ["prompt=a", "field=nerf"],
        r"field: got 'nerf'; expected one of: .*mlp, triplane, voxel",
    ),
    "unknown experiment": (["prompt=a", "experiment=foo"], r"experiment: got 'foo'.*reconstruct"),
    "unknown format": ([RUN, "mesh.formats=[fbx]"], r"mesh\.formats: got 'fbx', expected glb or obj"),
    "mesh.resolution=0": ([RUN, "mesh.resolution=0"], r"mesh\.resolution: got 0, expected .* from 8"),
    "out below a file": (
        [RUN, f"out={HERE}/file.txt/run"],
        r"out: got '.*run', which cannot be written.*choose",
    ),
    "out in /proc": ([RUN, "out=/proc/x"], r"out: got '/proc/x', which cannot be written"),
    "range swapped": ([RUN, "camera.elevation=[80,-20]"], r"camera\.elevation: got \[80, -20\].*swap them"),
    "distance swapped": ([RUN, "camera.distance=[3,2]"], r"camera\.distance: got \[3, 2\].*swap them"),
    "negative distance": ([RUN, "camera.distance=[-1,2]"], r"camera\.distance: got -1, expected a number above 0"),
    "half a range": ([RUN, "camera.fov_y=[30]"], r"camera\.fov_y: got \[30\], expected \[low, high\]"),
    "t beyond T": ([RUN, "distill.time.min=1.5"], r"distill\.time\.min: got 1\.5, expected a number from 0 to 1"),
    "t beyond T at the end": (
        [RUN, "distill.time.min={_target_: dream3d.schedule.Linear, start: 0.1, end: 0.99, finish: 3}"],
        r"distill\.time: got min 0\.69.*, max 0\.64.* at step 2",
    ),
    "a student without a network": ([RUN, "distill=vsd"], r"student: got a Renders prior.*use distill=sds"),
    "unknown keyword": (
        [RUN, "+field.sized=3"],
        r"unexpected keyword argument.*sized|got an unexpected.*sized",
    ),
    "no such class": ([RUN, "field._target_=nope.Field"], r"field: .*No module named 'nope'"),
    "a constructor's ValueError": (
        [RUN, "optimizer.algorithm.betas=[2,0]"],
        r"betas: got 2, expected a number from 0 to 0\.99",
    ),
    "open quote": (['prompt="a'], r"got 'prompt=\"a'.*close every quote"),
    "no key": (["=x"], r"got '=x', expected key=value"),
    "a prompt without quotes": (["prompt=a", "red", "corgi"], r"got 'red', expected.*prompt=\"a red corgi\"; see"),
    "only a prompt": (["a red corgi"], r"got 'a red corgi', expected key=value; .*: prompt=\"a red corgi\""),
    "misspelt command": (["exprot", "run=a"], r"got 'exprot'; did you mean export\?"),
    "a command that is not first": (["run=a b", "export"], r"expected it first: .* -m dream3d export 'run=a b'$"),
    "dashes": (["--steps", "3"], r"got '--steps', expected steps=3; settings have no dashes"),
    "dashes and a sign": (["--batch-size=3"], r"got '--batch-size=3', expected batch_size=3; settings"),
    "two values": (["prompt=a", "seed=1,2"], r"seed: got several values \(1,2\).*add -m"),
    "two signs": (["prompt=a", "steps=1=2"], r"got 'steps=1=2', expected key=value"),
    "a second stage without its settings": (
        ["prompt=a", "refine=none", "refine.steps=5"],
        r"but refine=none; use refine=tets",
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with all that wrong paths may point at."""
    here = tmp_path_factory.mktemp("place")
    (here / "file.txt").write_text("not a folder")
    (here / "text.ply").write_text("not a mesh")
    (here / "garbage.glb").write_bytes(b"\x01garbage" * 9)
    (here / "empty").mkdir()
    tiny_prior(here)
    return here


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    without_pictures(monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


def the_line(captured) -> str:
    """The one line on stderr; nothing may have been said before."""
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.startswith("dream3d: error: ")
    assert "Traceback" not in captured.err and "full_key" not in captured.err and "hydra.cc" not in captured.err
    return captured.err.removeprefix("dream3d: error: ").rstrip("\n")


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(name, place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    words, expected = WRONG[name]
    words = [word.replace(HERE, str(place)) for word in words]
    if words[:1] == [RUN]:
        words = [*rebuild(place, "steps=3"), *words[1:]]
    before = sorted(place.rglob("*"))
    assert command(words) == 2
    assert re.search(expected, the_line(capsys.readouterr()))
    assert sorted(place.rglob("*")) == before, "something was left behind"


def test_no_torch_is_needed_to_refuse_a_wrong_word(place):
    code = "-c import sys; from dream3d.cli.main import command; print(command(sys.argv[1:]), 'torch' in sys.modules)"
    running = process(code, ["prompt=a", "mesh.faces=few"], cwd=place)
    out, err = running.communicate(timeout=300)
    assert (out, err) == (
        "2 False\n",
        "dream3d: error: mesh.faces: got 'few', expected a number like 15000\n",
    )


def test_a_real_process_ends_with_2_and_one_line(place):
    running = process("-m dream3d", [*rebuild(place, "steps=1"), "out=there", "device=gpu"], cwd=place)
    out, err = running.communicate(timeout=300)
    assert running.returncode == 2 and out == ""
    assert err == "dream3d: error: device: got 'gpu', expected auto, cpu, cuda or cuda:N\n"
    assert not (place / "there").exists()


def test_every_value_of_a_multirun_is_checked_before_the_first_run(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    before = sorted(place.rglob("*"))
    assert by_hydra(["-m", "prompt=a small corgi,a dog", "seed=1,2", "steps=5,0"]) == 2
    assert the_line(capsys.readouterr()) == "steps: got 0, expected a whole number from 1 to 10000000"
    assert sorted(place.rglob("*")) == before


def test_every_job_of_a_multirun_is_a_command(tmp_path):
    words = ["-m", "prompt=a small corgi,a dog", "seed=1,2", "device=cuda"]
    running = process(
        "-m dream3d",
        words,
        cwd=tmp_path,
    )
    out, err = running.communicate(timeout=300)
    assert running.returncode == 2 and re.fullmatch(r"dream3d: error: device: got 'cuda'.*use device=cpu\n", err)
    assert "Launching 4 jobs" in out and "Traceback" not in out
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()] == ["outputs/multirun.yaml"]


@pytest.mark.parametrize(
    "words, expected",
    [
        (["-m", "prompt=a,b", "promt=c"], "did you mean prompt"),
        (["-m", "prompt=a,b", "distill=sdss,sds"], "distill: got 'sdss'"),
        (["--multirun", 'prompt="a'], "close every quote"),
        (["-m", "prompt=a,b", "out=x"], "out: got 'x' for several runs; leave out= out"),
        (["-m", "prompt=a", "seed=1,2,2e400"], "seed: got"),
        (["-m", "prompt=a", "hydra/launcher=nope"], "hydra/launcher: got 'nope'"),
        (["-m", "prompt=a", "seed=range(0,3", "x"], "close every quote"),
        (["--cfg", "job", "distill=sdss"], "did you mean sds"),
    ],
)
def test_wrong_words_beside_hydras_flags_are_one_line_too(words, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert by_hydra(words) == 2
    assert expected in the_line(capsys.readouterr())


def test_hydras_own_flags_work(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["dream3d"])
    assert by_hydra(["--cfg", "job", "prompt=a corgi, sitting"]) == 0
    assert capsys.readouterr().out.startswith("prompt: a corgi, sitting\n")


def test_the_traceback_is_there_for_who_asks(place, capsys, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert command(["prompt=a", "steps=0"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback") and err.splitlines()[-1].startswith("dream3d: error: steps: got 0")


def test_a_console_that_is_not_utf8_gets_question_marks(monkeypatch):
    from dream3d.cli.errors import reported

    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", out)
    assert reported(lambda: Console(file=out).print("犬 ━ größe")) == 0
    out.flush()
    assert out.buffer.getvalue().decode("latin-1").startswith("? ? größe")


def test_runs_that_begin_in_the_same_second_get_folders_of_their_own(place, monkeypatch):
    from dream3d.run.directory import start

    monkeypatch.chdir(place)
    monkeypatch.setattr("time.strftime", lambda *_: "20260101-000000")
    runs = [start(composed(["prompt=A corgi!"])) for _ in range(3)]
    assert len({run.folder for run in runs}) == 3
    assert str(runs[0].folder) == os.path.join("outputs", "20260101-000000-a-corgi")
    shutil.rmtree("outputs")
