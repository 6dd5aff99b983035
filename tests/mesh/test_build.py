from dataclasses import fields
from pathlib import Path

import pytest
import torch
import yaml
from hydra.utils import instantiate
from shapes import ball, solid
from torch import nn

from dream3d.fields.mesh_field import dmtet
from dream3d.fields.voxel import Voxel
from dream3d.mesh.build import Build
from dream3d.mesh.clean import inspect
from dream3d.types import Surface

CONF = Path(__file__).parents[2] / "conf" / "mesh" / "default.yaml"


def test_the_yaml_says_every_knob_and_its_default():
    said = yaml.safe_load(CONF.read_text())
    assert said.pop("_target_") == "dream3d.mesh.build.Build"
    assert said == {f.name: list(f.default) if isinstance(f.default, tuple) else f.default for f in fields(Build)}


def test_field_to_files(tmp_path):
    build = instantiate(yaml.safe_load(CONF.read_text()), resolution=32, faces=500, size=64, formats=["glb", "stl"])
    mesh = build(solid(ball), tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["mesh.glb", "mesh.stl"]
    assert mesh.texture.shape == (64, 64, 3) and inspect(mesh).watertight


def test_without_a_textured_format_nothing_is_unwrapped(tmp_path):
    mesh = Build(resolution=32, faces=500, size=64, formats=["ply", "stl"])(solid(ball), tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["mesh.ply", "mesh.stl"]
    assert mesh.texture is None and mesh.uv is None and mesh.colours is not None


def test_vertex_colours_are_those_of_the_surface():
    mesh = Build(resolution=32, faces=500).geometry(solid(ball))
    torch.testing.assert_close(mesh.colours, (mesh.vertices + 1) / 2, atol=0.02, rtol=0)


def test_a_level_set_is_smoothed_a_surface_made_of_triangles_is_not():
    appearance = Voxel(generator=torch.Generator(), size=4)
    made = dmtet(appearance=appearance, distance=lambda x: x.abs().amax(1) - 0.6, resolution=8, levels=[4])
    made.surface = lambda x: Surface(x[:, 0], x)
    for field, smoothed in ((solid(ball), True), (made, False)):
        plain, smooth = (Build(resolution=16, faces=5000, smoothing=n).geometry(field).vertices for n in (0, 3))
        assert torch.equal(plain, smooth) != smoothed


def test_twice_the_same():
    first, second = (Build(resolution=32, faces=500, size=64).make(solid(ball, 30, 0.05))[0] for _ in range(2))
    for name in ("vertices", "faces", "colours", "normals", "uv", "texture"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name


def test_modules_are_left_as_they_are():
    """A trained field: its parameters need gradients, its mesh does not, and nothing is accumulated."""

    class Trained(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.tensor(50.0))

        def density(self, x):
            return self.gain * (x.norm(dim=-1) < 0.6)

        surface = solid(ball).__class__.surface

    field = Trained()
    mesh, report = Build(resolution=32, faces=500, size=64).make(field)
    assert field.gain.grad is None and not any(
        getattr(mesh, n).requires_grad for n in ("vertices", "colours", "texture")
    )
    assert report == inspect(mesh)


@pytest.mark.parametrize(
    ("knob", "value"), [("formats", ["usd"]), ("resolution", 2), ("faces", 0), ("size", 1), ("refine", -1)]
)
def test_wrong_knobs_fail_before_any_work(knob, value):
    with pytest.raises(ValueError, match=rf"mesh\.{knob}: got"):
        Build(**{knob: value})
