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
from dream3d.mesh.importing.tidy import axes
from dream3d.mesh.reading import load_mesh, load_textured
from dream3d.render.srgb import linear, srgb

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
    half = srgb(linear(torch.tensor(100 / 255)) * 127 / 255)  # the factor counts in linear light
    torch.testing.assert_close(mesh.texture[0, 0] * 255, torch.tensor([200.0, 255 * half, 50.0]), atol=0.5, rtol=0)


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


def test_far_from_the_origin_it_is_the_same_ball(tmp_path):
    ball = trimesh.creation.icosphere(3)
    lines = [f"v {x + 4e6:.9f} {y - 4e6:.9f} {z:.9f}" for x, y, z in ball.vertices]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in ball.faces]
    (tmp_path / "far.obj").write_text("\n".join(lines))
    mesh = load_mesh(tmp_path / "far.obj")
    torch.testing.assert_close(mesh.vertices.norm(dim=1), torch.ones(len(mesh.vertices)), atol=1e-6, rtol=0)


def test_vertices_that_no_face_uses_do_not_count(tmp_path):
    (tmp_path / "more.obj").write_text(QUADS + "v 900 nan 0\nv 99 99 99\n")
    mesh = load_mesh(tmp_path / "more.obj")
    assert mesh.vertices.isfinite().all() and 1.7 < mesh.placement[3] < 1.8


@pytest.mark.parametrize("up, front", [("z", None), ("z", "x"), ("-y", "z"), ("x", "-z")])
def test_up_and_front_become_y_and_z(up, front, tmp_path):
    (tmp_path / "axes.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 2 0\nv 0 0 4\nf 1 2 3\nf 1 3 4\nf 1 4 2\n")
    mesh = load_mesh(tmp_path / "axes.obj", up=up, front=front)
    turn = axes(up, front or "-y")
    assert np.linalg.det(turn) == 1
    got = (mesh.vertices * mesh.placement[3] + mesh.placement[:3]).numpy()
    wanted = np.diag([1.0, 2.0, 4.0]) @ turn.T
    assert all(np.abs(got - corner).max(1).min() < 1e-5 for corner in wanted)
    with pytest.raises(UserError, match=r"mesh\.up, mesh\.front: got"):
        load_mesh(tmp_path / "axes.obj", up=up, front=up)


def test_an_stl_is_joined_and_colours_of_faces_stay_on_them(tmp_path):
    body = trimesh.creation.box()
    body.export(tmp_path / "box.stl")
    assert load_mesh(tmp_path / "box.stl").vertices.shape == (8, 3)
    body.visual.face_colors = np.random.default_rng(0).integers(0, 255, (12, 4))
    body.export(tmp_path / "box.ply")
    colours = load_mesh(tmp_path / "box.ply").colours
    expected = torch.tensor(body.visual.face_colors[:, :3] / 255.0).float().repeat_interleave(3, 0)
    torch.testing.assert_close(colours, expected)


def test_other_kinds_of_files_are_refused(tmp_path):
    (tmp_path / "scene.fbx").touch()
    with pytest.raises(UserError, match=r"got '\.fbx', expected one of \.glb"):
        load_mesh(tmp_path / "scene.fbx")
