"""What is exported reads back: places, uv, and colours within 2/255."""

from dataclasses import replace

import pytest
import torch
from scenes import sphere
from shapes import ball, solid

from dream3d.mesh.build import Build
from dream3d.mesh.export import export
from dream3d.mesh.reading import load_textured
from dream3d.types import Mesh


@pytest.fixture(scope="module")
def baked() -> Mesh:
    made = Build(resolution=24, faces=300, size=64).make(solid(ball))[0]
    return replace(made, placement=torch.tensor([5.0, -2.0, 1.0, 3.0]))


def dark() -> Mesh:
    """Vertex colours down to black."""
    return replace(sphere(), colours=((sphere().vertices + 1) / 2).clamp(0, 1) ** 3)


def same_places(got: Mesh, mesh: Mesh) -> None:
    placement = torch.tensor([0.0, 0, 0, 1]) if mesh.placement is None else mesh.placement
    back = [m.vertices[m.faces] * p[3] + p[:3] for m, p in ((got, got.placement), (mesh, placement))]
    torch.testing.assert_close(*back, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["glb", "obj"])
def test_texture_and_uv(kind, baked, tmp_path):
    export(baked, tmp_path, [kind])
    got = load_textured(tmp_path / f"mesh.{kind}")
    same_places(got, baked)
    torch.testing.assert_close(got.texture, baked.texture, atol=0.6 / 255, rtol=0)
    torch.testing.assert_close(got.uv[got.faces], baked.uv[baked.faces], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_vertex_colours(kind, tmp_path):
    mesh = dark()
    export(mesh, tmp_path, [kind])
    got = load_textured(tmp_path / f"mesh.{kind}")
    same_places(got, mesh)
    torch.testing.assert_close(got.colours[got.faces], mesh.colours[mesh.faces], atol=2 / 255, rtol=0)


def test_uv_without_a_texture(baked, tmp_path):
    """OBJ can say them; trimesh's GLB writer cannot beside vertex colours."""
    plain = replace(baked, texture=torch.ones(16, 16, 3))
    export(plain, tmp_path, ["obj"])
    (tmp_path / "mesh.mtl").unlink()
    got = load_textured(tmp_path / "mesh.obj")
    assert got.texture is None
    torch.testing.assert_close(got.uv[got.faces], baked.uv[baked.faces], atol=1e-5, rtol=0)
