"""``from dream3d import generate``: the same run as the command's, as an object."""

import subprocess
import sys

import pytest
import torch
import trimesh
from small_run import SMALL, box_file, without_pictures

import dream3d
from dream3d import generate
from dream3d.errors import UserError
from dream3d.run.shared_prior import Priors

QUICK = [word for word in SMALL if not word.startswith(("prompt=", "device="))]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Keywords of a run in under a second."""
    without_pictures(monkeypatch)
    overrides = [*QUICK, f"prior.path={box_file(tmp_path)}", "prior.resolution=32"]
    return {"experiment": "reconstruct", "overrides": overrides, "device": "cpu", "steps": 4, "out": tmp_path / "a run"}


def test_what_comes_back(small, tmp_path, capsys):
    seen = []
    result = generate("it's a [box], 50%", seed=3, on_step=seen.append, **small)
    assert capsys.readouterr().out == ""
    assert result.folder == tmp_path / "a run" and result.files["mesh.glb"].parent == result.folder
    file = trimesh.load(result.files["mesh.glb"], force="mesh")
    assert result.mesh is result.meshes[0] and len(file.faces) == len(result.mesh.faces)
    assert result.mesh.texture is not None and len(result.fields) == 1
    density = result.fields[0].density(torch.zeros(1, 3))  # the field is alive
    assert torch.isfinite(density).all()
    assert [(p.stage, p.done, p.total) for p in seen] == [("coarse", i, 4) for i in (1, 2, 3, 4)]
    assert all(torch.isfinite(p.step.loss) for p in seen)
    assert {"load", "coarse", "mesh"} <= result.seconds.keys()


def test_one_prior_for_several_calls(small, tmp_path):
    priors = Priors()
    for name in ("a", "b"):
        generate("a box", prior_of=priors, **{**small, "out": tmp_path / name})
    assert priors.loads == 1


def test_what_a_callback_raises_ends_the_run(small):
    def stop(progress):
        if progress.done == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        generate("a box", on_step=stop, **small)


def test_a_stop_file_saves_and_ends_the_run(small, tmp_path):
    from dream3d.run import checkpoint
    from dream3d.run.stopping import STOP

    def press(progress):
        if progress.done == 2:
            (tmp_path / "a run" / STOP).touch()

    with pytest.raises(KeyboardInterrupt):
        generate("a box", on_step=press, **small)
    assert checkpoint.load(tmp_path / "a run" / "checkpoint.pt")["step"] == 3
    assert not (tmp_path / "a run" / STOP).exists()


def test_mistakes_are_user_errors(small):
    with pytest.raises(UserError, match="distill: got 'sdss'; did you mean sds"):
        generate("a box", distill="sdss")
    with pytest.raises(UserError, match="prompt: got an empty text"):
        generate(" ")


def test_importing_the_package_imports_nothing_else():
    code = "import sys, dream3d; print(dream3d.__version__, 'torch' in sys.modules, 'hydra' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == [dream3d.__version__, "False", "False"]
    with pytest.raises(AttributeError, match="no attribute 'generat'"):
        _ = dream3d.generat
