import io
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from scenes import box, sphere
from shapes import ball, solid

import dream3d.mesh.export as room
from dream3d.mesh.build import Build
from dream3d.mesh.check import BadFile, check_file
from dream3d.mesh.clean import inspect
from dream3d.mesh.export import FORMATS, export, linear
from dream3d.mesh.printing import printable
from dream3d.types import Mesh

# A quad in the plane z = 0 that faces +z; colours at its corners as seen from the front.
CORNERS = {
    (0, 0): (255, 0, 0),
    (1, 0): (0, 255, 0),
    (1, 1): (0, 0, 255),
    (0, 1): (255, 255, 0),
}  # (x, y): rgb


@pytest.fixture
def quad() -> Mesh:
    """uv = (x, y): red bottom left, green bottom right, blue top right, yellow top left; 6 x 4 texels."""
    xy = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    vertices = torch.cat((xy, torch.zeros(4, 1)), dim=1)
    texture = torch.zeros(4, 6, 3)
    for (x, y), rgb in CORNERS.items():
        texture[2 * (1 - y) : 2 * (1 - y) + 2, 3 * x : 3 * x + 3] = torch.tensor(rgb) / 255
    return Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]), uv=xy, texture=texture)


@pytest.fixture(scope="module")
def made() -> Mesh:
    return Build(resolution=32, faces=500, size=64).make(solid(ball))[0]


def glb(path: Path) -> tuple[dict, bytes]:
    """The two chunks of a binary glTF, by the specification alone."""
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def accessor(tree: dict, binary: bytes, index: int) -> np.ndarray:
    a = tree["accessors"][index]
    view = tree["bufferViews"][a["bufferView"]]
    kind = {5126: "<f4", 5125: "<u4", 5123: "<u2", 5121: "u1"}[a["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[a["type"]]
    start = view.get("byteOffset", 0) + a.get("byteOffset", 0)
    return np.frombuffer(binary, kind, a["count"] * width, start).reshape(-1, width)


def near_corner(pixels: np.ndarray, column: float, row: float) -> tuple[int, ...]:
    """The texel at a corner of the picture; coordinates in [0, 1], row 0 at the top."""
    h, w = pixels.shape[:2]
    return tuple(int(c) for c in pixels[min(int(row * h), h - 1), min(int(column * w), w - 1)])


def test_glb_corner_colours_by_the_specification(quad, tmp_path):
    (file,) = export(quad, tmp_path, ["glb"])
    tree, binary = glb(file)
    primitive = tree["meshes"][0]["primitives"][0]
    position = accessor(tree, binary, primitive["attributes"]["POSITION"])
    uv = accessor(tree, binary, primitive["attributes"]["TEXCOORD_0"])
    material = tree["materials"][primitive["material"]]["pbrMetallicRoughness"]
    assert material["metallicFactor"] == 0 and material["roughnessFactor"] == pytest.approx(0.9)
    view = tree["bufferViews"][
        tree["images"][tree["textures"][material["baseColorTexture"]["index"]]["source"]]["bufferView"]
    ]
    start = view.get("byteOffset", 0)
    pixels = np.asarray(Image.open(io.BytesIO(binary[start : start + view["byteLength"]])).convert("RGB"))
    # glTF 2.0 section 3.8.4.4: (0, 0) is the upper left corner of the picture.
    for p, (u, v) in zip(position, uv, strict=True):
        assert near_corner(pixels, u, v) == CORNERS[int(p[0]), int(p[1])]


def test_the_material_is_in_green_and_blue(quad, tmp_path):
    """glTF 2.0 section 3.9.2: roughness in G, metalness in B, both times their factors."""
    texels = torch.tensor([0.25, 0.75]).expand(4, 6, 2).clone()
    texels[:2] = torch.tensor([1.0, 0.0])
    (file,) = export(replace(quad, material=texels), tmp_path, ["glb"])
    tree, binary = glb(file)
    material = tree["materials"][0]["pbrMetallicRoughness"]
    assert material["metallicFactor"] == 1 and material["roughnessFactor"] == 1
    index = tree["textures"][material["metallicRoughnessTexture"]["index"]]["source"]
    assert index != tree["textures"][material["baseColorTexture"]["index"]]["source"]
    view = tree["bufferViews"][tree["images"][index]["bufferView"]]
    start = view.get("byteOffset", 0)
    pixels = np.asarray(Image.open(io.BytesIO(binary[start : start + view["byteLength"]])).convert("RGB"))
    assert (pixels[:2, :, 1:] == (255, 0)).all() and (pixels[2:, :, 1:] == (64, 191)).all()


def test_a_mesh_with_a_placement_goes_back_to_its_place(quad, tmp_path):
    placed = replace(quad, placement=torch.tensor([100.0, -20.0, 3.0, 50.0]))
    for kind in ("glb", "obj", "ply"):
        export(placed, tmp_path, [kind])
        got = trimesh.load(tmp_path / f"mesh.{kind}", force="mesh").bounds
        np.testing.assert_allclose(got, [[100, -20, 3], [150, 30, 3]], atol=1e-3)


def test_obj_corner_colours_by_the_specification(quad, tmp_path):
    files = export(quad, tmp_path, ["obj"])
    assert sorted(f.name for f in files) == ["mesh.mtl", "mesh.obj", "mesh.png"] and files[-1].name == "mesh.obj"
    lines = [line.split() for line in (tmp_path / "mesh.obj").read_text().splitlines() if line]
    assert ["mtllib", "mesh.mtl"] in lines and "map_Kd mesh.png" in (tmp_path / "mesh.mtl").read_text()
    v = [tuple(map(float, w[1:4])) for w in lines if w[0] == "v"]
    vt = [tuple(map(float, w[1:3])) for w in lines if w[0] == "vt"]
    pixels = np.asarray(Image.open(tmp_path / "mesh.png").convert("RGB"))
    seen = set()
    for word in (word for line in lines if line[0] == "f" for word in line[1:]):
        i, j = (int(n) - 1 for n in word.split("/")[:2])
        x, y = int(v[i][0]), int(v[i][1])
        assert near_corner(pixels, vt[j][0], 1 - vt[j][1]) == CORNERS[x, y]  # OBJ: v = 0 at the bottom
        seen.add((x, y))
    assert seen == set(CORNERS)


def test_all_formats_round_trip(made, tmp_path):
    files = export(made, tmp_path, FORMATS)
    assert sorted(f.name for f in files) == [
        "mesh.3mf",
        "mesh.glb",
        "mesh.mtl",
        "mesh.obj",
        "mesh.ply",
        "mesh.png",
        "mesh.stl",
    ]
    assert sorted(tmp_path.iterdir()) == sorted(files)  # nothing else stays behind
    check_file(tmp_path / "mesh.3mf", printable(made, 80))
    check_file(tmp_path / "mesh.stl", printable(made, 80))
    for kind in ("glb", "obj", "ply"):
        check_file(tmp_path / f"mesh.{kind}", made)
        loaded = trimesh.load(tmp_path / f"mesh.{kind}", force="mesh")
        loaded.merge_vertices(merge_tex=True, merge_norm=True)
        assert loaded.is_watertight and loaded.volume == pytest.approx(inspect(made).volume, rel=1e-4)


def test_glb_has_the_smooth_normals(made, tmp_path):
    (file,) = export(made, tmp_path, ["glb"])
    tree, binary = glb(file)
    normals = accessor(tree, binary, tree["meshes"][0]["primitives"][0]["attributes"]["NORMAL"])
    np.testing.assert_allclose(normals, made.normals.numpy(), atol=1e-6)


def test_ply_has_the_vertex_colours(made, tmp_path):
    (file,) = export(made, tmp_path, ["ply"])
    loaded = trimesh.load(file, process=False)
    expected = (made.vertices + 1) / 2
    got = torch.from_numpy(np.asarray(loaded.visual.vertex_colors)[:, :3] / 255.0)[np.asarray(loaded.faces)]
    torch.testing.assert_close(got.float(), expected[made.faces], atol=0.02, rtol=0)


def test_vertex_colours_are_linear_in_glb_and_srgb_elsewhere(tmp_path):
    mesh = replace(sphere(), colours=torch.full_like(sphere().vertices, 0.5))
    export(mesh, tmp_path, FORMATS)
    tree, binary = glb(tmp_path / "mesh.glb")
    colour = accessor(tree, binary, tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"])
    np.testing.assert_allclose(colour, 0.214041, atol=1e-5)  # 0.5 sRGB in linear light, in floats
    assert set(trimesh.load(tmp_path / "mesh.ply").visual.vertex_colors[:, :3].ravel()) == {128}
    torch.testing.assert_close(
        linear(torch.tensor([0.0, 0.04, 0.5, 1.0])), torch.tensor([0.0, 0.003096, 0.214041, 1.0])
    )


@pytest.mark.parametrize("flip", [[0, 2, 1], [2, 1, 0]])
def test_check_notices_flipped_axes(made, tmp_path, flip):
    (file,) = export(made, tmp_path, ["stl"])
    printed = printable(made, 80)
    with pytest.raises(BadFile, match=r"mesh\.stl: got"):
        check_file(file, replace(printed, vertices=printed.vertices[:, flip]))
    with pytest.raises(BadFile, match="winding"):
        check_file(file, replace(printed, faces=printed.faces[:, flip]))


def test_check_notices_lost_faces_textures_and_turned_uv(made, tmp_path):
    (file,) = export(made, tmp_path, ["glb"])
    with pytest.raises(BadFile, match=rf"got {len(made.faces)} faces, expected {len(made.faces) - 1}"):
        check_file(file, replace(made, faces=made.faces[1:]))
    with pytest.raises(BadFile, match="got a texture of 64 x 64, expected 32 x 64"):
        check_file(file, replace(made, texture=made.texture[:, :32]))
    with pytest.raises(BadFile, match="texture colours"):
        check_file(file, replace(made, texture=made.texture.flip(0)))
    with pytest.raises(BadFile, match="v turned over"):
        check_file(file, replace(made, uv=torch.stack((made.uv[:, 0], 1 - made.uv[:, 1]), dim=1)))
    (plain,) = export(replace(made, uv=None, texture=None), tmp_path, ["glb"])
    with pytest.raises(BadFile, match="no texture"):
        check_file(plain, made)


def test_a_failed_check_leaves_the_old_file_and_nothing_half_written(tmp_path, monkeypatch):
    (tmp_path / "mesh.glb").write_bytes(b"before")

    def refuse(path, mesh):
        raise BadFile("no")

    monkeypatch.setattr(room, "check_file", refuse)
    with pytest.raises(BadFile):
        export(box(), tmp_path, ["glb", "obj"])
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("mesh.glb", b"before")]


def test_unknown_formats_and_empty_meshes(tmp_path):
    with pytest.raises(ValueError, match=r"got \['fbx'\], expected some of \['glb', 'obj', 'ply', 'stl', '3mf'\]"):
        export(box(), tmp_path, ["glb", "fbx"])
    with pytest.raises(ValueError, match="without faces"):
        export(replace(box(), faces=box().faces[:0]), tmp_path, ["glb"])
    assert not list(tmp_path.iterdir())
