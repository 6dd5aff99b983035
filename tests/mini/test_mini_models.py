import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import ball, library
from models import MOST_FACES, Model, decimated, halved, model_of, noun_of, read_folder, vertex_coloured
from PIL import Image
from scenes import sphere

from dream3d.errors import UserError
from dream3d.types import Mesh


def write(file: Path) -> None:
    """A red box."""
    file.parent.mkdir(parents=True, exist_ok=True)
    made = trimesh.creation.box()
    trimesh.Trimesh(made.vertices, made.faces, vertex_colors=np.tile((255, 0, 0), (8, 1))).export(file)


@pytest.mark.parametrize(
    ("file", "noun"),
    [
        ("chair.glb", "chair"), ("Chair_02.obj", "chair"), ("office-chair.ply", "office chair"),
        ("FireTruck.glb", "fire truck"), ("corgi/scene.gltf", "corgi"), ("a b/c/d.glb", "a b"), ("77.glb", ""),
        ("Stühle.glb", "st hle"),
    ],
)  # fmt: skip
def test_the_noun_of_a_file(file, noun):
    assert noun_of(Path("m") / file, Path("m")) == noun


def test_a_folder_of_files(tmp_path, caplog):
    for name in ("chair.ply", "chair-2.ply", "dog/one.ply", "dog/two.ply", "12.ply"):
        write(tmp_path / name)
    (tmp_path / "broken.glb").write_bytes(b"glTF nothing")
    (tmp_path / "readme.txt").write_text("no mesh")
    with caplog.at_level(logging.WARNING):
        found = read_folder(tmp_path)
    assert list(found.concepts) == ["chair", "dog"] and "broken.glb" in caplog.text
    assert found.concepts["dog"].models == (str(Path("dog/one.ply")), str(Path("dog/two.ply")))
    assert [m.name for m in found.typical] == [found.concepts["chair"].models[0], str(Path("dog/one.ply"))]
    model = found.models["chair.ply"]
    assert np.allclose(np.linalg.norm(model.vertices, axis=1), 1, atol=1e-5) and np.allclose(model.colours, (1, 0, 0))
    assert model.takes_colour and not read_folder(tmp_path, recolour=False).models["chair.ply"].takes_colour
    assert list(found.first(1).models) == list(found.concepts["chair"].models)


def test_a_folder_without_nouns_is_an_error(tmp_path):
    write(tmp_path / "12.ply")
    with pytest.raises(UserError, match="rename the files"):
        read_folder(tmp_path)


def test_a_texture_is_read_where_vertices_alone_would_miss_it(tmp_path):
    """A square of two triangles whose corners are all black, and whose middle is white."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[16:48, 16:48] = 255
    uv, corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]), np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(picture))
    visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False).export(tmp_path / "square.glb")
    found = vertex_coloured(tmp_path / "square.glb")
    assert found.colours is not None and MOST_FACES / 4 < len(found.faces) <= MOST_FACES
    position = found.vertices[:, :2] / found.vertices[:, :2].abs().max()
    middle, rim = position.abs().amax(1) < 0.4, position.abs().amax(1) > 0.6
    assert float(found.colours[middle].min()) > 0.9 and float(found.colours[rim].max()) < 0.1


def test_halved_triangles_cover_the_same():
    mesh = sphere(0.5, 1)
    fine = halved(Mesh(mesh.vertices, mesh.faces, uv=mesh.vertices[:, :2]))
    area = lambda m: torch.linalg.cross(*(m.vertices[m.faces][:, 1:] - m.vertices[m.faces][:, :1]).unbind(1))  # noqa: E731
    assert (
        len(fine.faces) == 4 * len(mesh.faces) and len(fine.vertices) == len(mesh.vertices) + len(mesh.faces) * 3 // 2
    )
    assert torch.allclose(area(fine).norm(dim=1).sum(), area(mesh).norm(dim=1).sum(), rtol=1e-5)
    assert torch.allclose(fine.uv, fine.vertices[:, :2])


def test_decimated_keeps_colours():
    fewer = decimated(sphere(0.5, 4), 500)
    assert 300 < len(fewer.faces) <= 500 and fewer.colours is not None
    assert float((fewer.colours - (0.5 + 0.4 * fewer.vertices / 0.5)).abs().max()) < 0.1


def test_ratio_and_key():
    model = ball()
    same, other = ball(), Model("ball", model.vertices, model.colours[::-1].copy(), model.tint, model.faces)
    assert model.key == same.key != other.key and model.key.startswith("ball-")
    luma = model.colours @ np.array([0.299, 0.587, 0.114], np.float32)
    assert np.allclose(model.ratio, luma / np.median(luma), atol=1e-5)
    assert (model_of("m", sphere(), recolour=False).ratio == -1).all()
    assert [m.name for m in library().typical] == ["ball", "cube"]
