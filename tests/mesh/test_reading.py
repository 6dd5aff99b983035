"""Other programs' mesh files: what is read, and what is refused in one line."""

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from dream3d.errors import UserError
from dream3d.mesh import reading as load
from dream3d.mesh.reading import load_mesh, load_textured

QUADS = """v 0 0 0
v 2 0 0
v 2 2 0
v 0 2 0
v 0 0 2
v 2 0 2
v 2 2 2
v 0 2 2
f 4 3 2 1
f 5 6 7 8
f 1 2 6 5
f 3 4 8 7
f 2 3 7 6
f 4 1 5 8
"""


def test_quads_are_cut_and_the_mesh_is_fitted_into_the_ball(tmp_path):
    (tmp_path / "quads.obj").write_text(QUADS)
    mesh = load_mesh(tmp_path / "quads.obj")
    assert len(mesh.faces) == 12
    torch.testing.assert_close(mesh.vertices.norm(dim=1), torch.ones(len(mesh.vertices)))
    back = mesh.vertices * mesh.placement[3] + mesh.placement[:3]
    torch.testing.assert_close(back.amin(0), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(back.amax(0), torch.full((3,), 2.0))


def test_a_texture_comes_with_its_colour_factor(tmp_path):
    body = trimesh.creation.box()
    picture = Image.fromarray(np.full((4, 6, 3), (200, 100, 50), np.uint8))
    material = PBRMaterial(baseColorTexture=picture, baseColorFactor=[255, 127, 255, 255])
    body.visual = TextureVisuals(uv=np.random.default_rng(0).random((8, 2)), material=material)
    body.export(tmp_path / "box.glb")
    mesh = load_textured(tmp_path / "box.glb")
    assert mesh.texture.shape == (4, 6, 3) and mesh.uv.shape == (len(mesh.vertices), 2)
    torch.testing.assert_close(mesh.texture[0, 0] * 255, torch.tensor([200.0, 100 * 127 / 255, 50.0]), atol=0.5, rtol=0)


def test_without_a_texture_there_are_vertex_colours(tmp_path):
    trimesh.creation.box().export(tmp_path / "box.ply")
    mesh = load_textured(tmp_path / "box.ply")
    assert mesh.texture is None and mesh.colours.shape == (8, 3)


def cloud():
    return trimesh.PointCloud(np.random.default_rng(0).random((9, 3)))


def nowhere():
    return trimesh.Trimesh(np.zeros((3, 3)), [[0, 1, 2]], process=False)


@pytest.mark.parametrize(
    "make, expected", [(cloud, "no triangles"), (nowhere, "one place")], ids=["points", "of no size"]
)
def test_what_is_no_mesh_is_refused(make, expected, tmp_path):
    make().export(tmp_path / "bad.ply")
    with pytest.raises(UserError, match=expected):
        load_mesh(tmp_path / "bad.ply")


def test_lines_alone_are_refused(tmp_path):
    (tmp_path / "lines.obj").write_text("v 0 0 0\nv 1 0 0\nl 1 2\n")
    with pytest.raises(UserError, match=r"lines\.obj: got "):
        load_mesh(tmp_path / "lines.obj")


@pytest.mark.parametrize("limit", ["MOST_FACES", "MOST_BYTES"])
def test_a_huge_mesh_is_refused(limit, tmp_path, monkeypatch):
    trimesh.creation.box().export(tmp_path / "box.ply")
    monkeypatch.setattr(load, limit, 11)
    with pytest.raises(UserError, match=r"expected at most .*; decimate"):
        load_mesh(tmp_path / "box.ply")
