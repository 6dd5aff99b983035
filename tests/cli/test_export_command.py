"""``python -m dream3d export``, and what resuming and exporting say about damaged runs."""

import os
import re
import shutil

import pytest
import torch
import trimesh
from small_run import process, rebuild, without_pictures

from dream3d.cli import export as exporting
from dream3d.cli.main import command
from dream3d.run import checkpoint
from dream3d.run.saved import saved_settings

STATE = "the checkpoint does not match this configuration"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of two particles."""
    here = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        assert command(rebuild(here, "steps=4", "particles=2", f"out={here / 'run'}")) == 0
    return here / "run"


@pytest.fixture
def run(finished, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(finished, tmp_path / "run")


def test_the_same_settings_give_the_same_file(run, tmp_path, capsys):
    assert exporting.command([f"run={run}", f"out={tmp_path / 'new'}"]) == 0
    said = capsys.readouterr().out.split()
    assert said == [str(tmp_path / "new/mesh.glb"), str(tmp_path / "new/particle-1/mesh.glb")]
    for name in ("mesh.glb", "particle-1/mesh.glb"):
        assert (tmp_path / "new" / name).read_bytes() == (run / name).read_bytes()


def test_formats_resolution_faces_and_texture_are_what_was_asked(run, capsys):
    words = ["format=obj,stl", "resolution=40", "faces=900", "texture=32"]
    assert exporting.command([f"run={run}", *words]) == 0
    before, after = (trimesh.load(run / name, force="mesh") for name in ("mesh.glb", "mesh.stl"))
    assert len(before.faces) <= 300 < len(after.faces) <= 900 and after.is_watertight
    assert trimesh.load(run / "mesh.obj", force="mesh").visual.material.image.size == (32, 32)
    assert len(capsys.readouterr().out.split()) == 8


def test_maps_and_coarser_copies_are_made_of_a_run_that_had_none(run, tmp_path, capsys):
    words = ["normal_map=true", "occlusion=8", "lods=150,60", f"out={tmp_path / 'new'}"]
    assert exporting.command([f"run={run}", *words]) == 0
    names = [line.split("/")[-1] for line in capsys.readouterr().out.split()]
    assert names == ["mesh.glb", "mesh-lod1.glb", "mesh-lod2.glb"] * 2
    for name, most in (("mesh", 300), ("mesh-lod1", 150), ("mesh-lod2", 60)):
        mesh = trimesh.load(tmp_path / "new" / f"{name}.glb", force="mesh")
        assert len(mesh.faces) <= most
        assert mesh.visual.material.normalTexture is not None and mesh.visual.material.occlusionTexture is not None
    for words in (["lods=60,150"], ["lods=many"], ["occlusion=-1"], ["normal_map=7"]):
        assert exporting.command([f"run={run}", *words]) == 2
        assert f"mesh.{words[0].split('=')[0]}: got" in capsys.readouterr().err


def test_a_stopped_run_without_its_prior_and_a_refined_one_can_be_exported(run, tmp_path):
    saved = checkpoint.load(run / "checkpoint.pt")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(re.sub(r"(?m)^(prior:\n(?:  .*\n)*?  path: ).*", r"\1/gone", config))
    assert exporting.command([f"run={run}", "format=stl", f"out={tmp_path / 'coarse'}"]) == 0

    from hydra.utils import instantiate

    from dream3d.cli.overrides import composed

    refine = composed(["prompt=a", "refine=tets", "refine.field.resolution=12"]).refine
    settings = saved_settings(run, "run")
    settings.refine = refine
    exporting.OmegaConf.save(settings, run / "config.yaml", resolve=True)
    fields = exporting.fields_of(settings, run / "checkpoint.pt")
    make = instantiate(refine.field)
    balls = [make(appearance=field, distance=lambda x: x.norm(dim=1) - 0.5) for field in fields]
    fine = {"step": 1, "state": {"fields": [ball.state_dict() for ball in balls]}}
    checkpoint.save(run / "checkpoint.pt", {**saved, "refine": fine})
    assert exporting.command([f"run={run}", "format=stl", f"out={tmp_path / 'fine'}"]) == 0
    ball = trimesh.load(tmp_path / "fine/mesh.stl")
    assert ball.volume == pytest.approx(torch.pi / 6 * 80**3, rel=0.1)  # for a printer: 80 mm across


WRONG = {
    "no run": (["format=obj"], r"run: got nothing, expected a run folder"),
    "missing folder": (["run=nowhere"], r"run: got 'nowhere', expected a run folder with config\.yaml"),
    "misspelt word": (["{run}", "formt=obj"], r"got 'formt=obj'; did you mean format\?.*texture=.*--help"),
    "no value": (["{run}", "format="], r"got 'format=', expected|got 'format='; did you"),
    "unknown format": (["{run}", "format=obj,fbx"], r"mesh\.formats: got 'fbx', expected glb or .*stl"),
    "text for a number": (["{run}", "faces=many"], r"mesh\.faces: got 'many', expected a number"),
    "too coarse": (["{run}", "resolution=2"], r"mesh\.resolution: got 2, expected .* from 8 to"),
    "level of words": (["{run}", "isovalue=high"], r"mesh\.isovalue: got 'high', expected auto, or a number above 0"),
    "nothing is so dense": (["{run}", "isovalue=1e9"], r"EMPTY: .*lower mesh\.isovalue or set it to auto"),
    "out is a file": (["{run}", "out={run_}/config.yaml"], r"out: got '.*config\.yaml', which is a file"),
    "out cannot be made": (["{run}", "out=/proc/x"], r"/proc/x: No such file or directory; check the path"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line_and_changes_nothing(name, run, capsys):
    words, expected = WRONG[name]
    words = [word.replace("{run}", f"run={run}").replace("{run_}", str(run)) for word in words]
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert exporting.command(words) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("dream3d: error: ") and said.err.count("\n") == 1
    assert re.search(expected, said.err)
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch exploded",))


def edited(change):
    """Damage that is done to the loaded content."""

    def damage(file):
        content = checkpoint.load(file)
        change(content)
        torch.save(content, file)

    return damage


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flipped(file):
    data = bytearray(file.read_bytes())
    data[: len(data) // 3] = bytes(b ^ 255 for b in data[: len(data) // 3])
    file.write_bytes(data)


DAMAGE = {
    "missing": (lambda file: file.unlink(), r"no checkpoint at .*checkpoint\.pt; use the folder"),
    "cut short": (cut, r"damaged or truncated; restart the run"),
    "flipped bits": (flipped, r"checkpoint\.pt (is damaged|contains objects other than tensors)"),
    "empty": (lambda file: file.write_bytes(b""), r"damaged or truncated"),
    "text": (lambda file: file.write_text("no"), r"contains objects other than tensors|damaged"),
    "a pickle bomb": (
        lambda file: torch.save({"version": 1, "x": Bomb()}, file), r"contains objects other than tensors",
    ),
    "another version": (edited(lambda c: c.update(version=9)), r"got another format, expected version 1"),
    "of another field": (
        edited(lambda c: [f.update(more=torch.zeros(1)) for f in c["state"]["fields"]]), STATE + r" \(.*more",
    ),
    "of another size": (
        edited(lambda c: c["state"]["fields"][0].update({"planes.0": torch.zeros(3, 8, 9, 9)})),
        STATE + ".*planes",
    ),
    "of one particle": (edited(lambda c: c["state"]["fields"].pop()), STATE),
    "without a state": (edited(lambda c: c.pop("state")), STATE + r" \('state'\)"),
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_checkpoint_is_named_by_both_commands(how, run, capsys, monkeypatch):
    monkeypatch.chdir(run)
    damage, expected = DAMAGE[how]
    (run / "mesh.glb").unlink()
    damage(run / "checkpoint.pt")
    for act, key in ((command, "resume"), (exporting.command, "run")):
        assert act([f"{key}={run}"]) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err.startswith("dream3d: error: ") and said.err.count("\n") == 1
        assert re.search(expected, said.err)
        assert not (run / "mesh.glb").exists() and not (run / "exploded").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["seed=3"], r"resume: also got seed; a resumed run keeps its settings, except steps"),
        (["field=mlp"], r"resume: also got field; "),
        (["steps=3"], r"steps: got 3, but the run has completed 4; use a larger number"),
        (["steps=0"], r"steps: got 0, expected a whole number from 1 to"),
    ],
)
def test_a_resumed_run_keeps_its_settings(words, expected, run, capsys):
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert command([f"resume={run}", *words]) == 2
    assert re.search(expected, capsys.readouterr().err)
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("code", ["-m dream3d export", "-m dream3d.export"])
def test_both_spellings_run_and_explain_themselves(code, tmp_path):
    module, *command = code.split()[1:]
    running = process(f"-m {module}", [*command, "--help"], cwd=tmp_path)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0 and err == ""
    assert all(f"    {word}=" in out for word in exporting.WORDS)
