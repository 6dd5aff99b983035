"""Normal map, ambient occlusion and coarser copies from a field to the GLB; and what Blender makes of it."""

import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from scenes import sphere
from torch import Tensor

from dream3d.fields.mesh_field import frozen
from dream3d.mesh.build import Build
from dream3d.mesh.clean import inspect, simplified
from dream3d.types import Mesh, Surface

BLENDER = shutil.which("blender")


class Bumpy(torch.nn.Module):
    """An ellipsoid, upright and tallest along y, with ripples that few triangles cannot show."""

    def density(self, x: Tensor) -> Tensor:
        radius = (x / torch.tensor([0.4, 0.7, 0.5])).norm(dim=-1)
        ripples = 0.02 * (20 * x).sin().prod(-1)
        return 400 * (1 - radius + ripples).clamp(min=0)

    def surface(self, x: Tensor) -> Surface:
        return Surface(self.density(x), torch.full((len(x), 3), 0.5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("detail")
    Build(resolution=48, faces=400, size=128, formats=("glb",), occlusion=16, normal_map=True, lods=(200, 100))(
        Bumpy(), place
    )
    return place


def material(file):
    return trimesh.load(file, force="mesh").visual.material


def test_the_textures_are_in_the_file(folder):
    found = material(folder / "mesh.glb")
    normals, open_ = (np.asarray(p.convert("RGB")) for p in (found.normalTexture, found.occlusionTexture))
    assert normals.shape == open_.shape == (128, 128, 3)
    lengths = np.linalg.norm(normals / 127.5 - 1, axis=-1)
    assert np.abs(lengths - 1).max() < 0.02 and normals[..., 2].min() > 127  # unit, all pointing outwards
    assert normals[..., :2].std() > 3, "the ripples left no trace"
    assert open_.mean() > 230 and open_.min() >= 0  # convex but for ripples


def test_without_them_there_are_none(tmp_path):
    Build(resolution=24, faces=200, size=64, formats=("glb",))(Bumpy(), tmp_path)
    assert material(tmp_path / "mesh.glb").normalTexture is None and not list(tmp_path.glob("mesh-lod*"))


def test_coarser_copies_have_their_own_budget_and_texture(folder):
    files = sorted(folder.glob("mesh-lod*.glb"))
    sizes = [(len(trimesh.load(f, force="mesh").faces), material(f).baseColorTexture.size) for f in files]
    assert [texture for _, texture in sizes] == [(64, 64), (64, 64)]
    assert 100 < sizes[0][0] <= 200 and 50 < sizes[1][0] <= 100


@pytest.mark.parametrize(
    "words", [{"occlusion": -1}, {"lods": [2]}, {"lods": [100, 200]}, {"lods": [300], "faces": 300}]
)
def test_wrong_numbers_are_refused(words):
    with pytest.raises(ValueError, match=rf"mesh\.{next(iter(words))}: got"):
        Build(**words)


def test_coarser_copies_of_a_mesh_that_came_ready(tmp_path):
    """Its own triangles stay; copies are simplified, over the seams of its uv too, and stay where it was."""
    ball = sphere(0.5, 4)
    cut = replace(ball, vertices=ball.vertices[ball.faces].reshape(-1, 3),
                  faces=torch.arange(ball.faces.numel()).reshape(-1, 3), placement=torch.tensor([3.0, 0.0, 0.0, 2.0]),
                  colours=None, normals=None, uv=None, texture=None)  # fmt: skip
    field = frozen(appearance=Bumpy(), mesh=cut)
    Build(size=64, formats=("glb", "obj"), lods=(500, 100), normal_map=True)(field, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir() if path.suffix in (".glb", ".obj"))
    assert names == sorted(f"mesh{level}.{kind}" for level in ("", "-lod1", "-lod2") for kind in ("glb", "obj"))
    whole, *copies = (trimesh.load(tmp_path / f"mesh{n}.glb", force="mesh") for n in ("", "-lod1", "-lod2"))
    assert len(whole.faces) == len(ball.faces)
    for copy, budget in zip(copies, (500, 100), strict=True):
        copy.merge_vertices(merge_tex=True, merge_norm=True)
        assert 0.8 * budget < len(copy.faces) <= budget and copy.is_watertight
        assert np.abs(copy.bounds - [[2, -1, -1], [4, 1, 1]]).max() < 0.15
        assert copy.volume == pytest.approx(4 / 3 * np.pi, rel=0.1)


def test_an_open_mesh_stays_open():
    """A flat sheet of 2048 triangles in 200: its border draws in by a hundredth at most, and none is closed."""
    line = torch.linspace(0, 1, 33)
    x, y = torch.meshgrid(line, line, indexing="ij")
    corner = (torch.arange(32)[:, None] * 33 + torch.arange(32)).reshape(-1, 1, 1)
    faces = (corner + torch.tensor([[0, 33, 34], [0, 34, 1]])).reshape(-1, 3)
    small = simplified(Mesh(torch.stack((x, y, 0 * x), dim=-1).reshape(-1, 3), faces), faces=200)
    assert len(small.faces) <= 200 and 0.97 < inspect(small).area <= 1 + 1e-5 and not inspect(small).watertight
    assert small.normals is not None and torch.allclose(small.normals[:, 2], torch.ones(len(small.vertices)))


def test_fewer_copies_leave_none_of_before(tmp_path):
    build = Build(resolution=24, faces=200, size=64, formats=("glb",), lods=(100, 50))
    build(Bumpy(), tmp_path)
    replace(build, lods=(100,))(Bumpy(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mesh-lod1.glb", "mesh.glb"]


SCRIPT = """
import bpy, json, sys
try:
    import numpy
except ImportError:
    sys.exit('NO NUMPY')
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=sys.argv[-1])
(thing,) = [o for o in bpy.data.objects if o.type == 'MESH']
mesh = thing.data
corners = [thing.matrix_world @ v.co for v in mesh.vertices]
kinds = sorted(node.type for node in mesh.materials[0].node_tree.nodes)
extent = [max(c[i] for c in corners) - min(c[i] for c in corners) for i in range(3)]
mesh.calc_tangents()
turn = thing.matrix_world.to_3x3()
loops = [[list(mesh.vertices[l.vertex_index].co), list(turn @ l.tangent), l.bitangent_sign] for l in mesh.loops]
found = {'extent': extent, 'nodes': kinds, 'faces': len(mesh.polygons), 'images': len(bpy.data.images), 'loops': loops}
print('RESULT', json.dumps(found))
"""


@pytest.fixture(scope="module")
def blender(folder):
    """What Blender says of the GLB."""
    if BLENDER is None:
        pytest.skip("Blender is not installed")
    (folder / "look.py").write_text(SCRIPT)
    words = [BLENDER, "-b", "--factory-startup", "-P", str(folder / "look.py"), "--", str(folder / "mesh.glb")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    if "NO NUMPY" in done.stderr + done.stdout:
        pytest.skip("this Blender has no numpy, which its glTF importer needs")
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout[-500:] + done.stderr[-500:]
    return json.loads(lines[0].removeprefix("RESULT "))


def test_blender_imports_it_upright_with_its_maps(folder, blender):
    x, y, z = blender["extent"]  # Blender's z is up: our y
    assert z > x and z > y and abs(z - 1.4) < 0.1
    assert blender["faces"] == len(trimesh.load(folder / "mesh.glb", force="mesh").faces)
    assert "NORMAL_MAP" in blender["nodes"] and blender["images"] >= 3


def accessor(file, name: str) -> np.ndarray:
    """An attribute of floats of the first primitive, read from the bytes (glTF 2.0 section 3.6)."""
    data = file.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    tree, binary = json.loads(data[20 : 20 + length]), data[28 + length :]
    part = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"][name]]
    assert part["componentType"] == 5126
    start = tree["bufferViews"][part["bufferView"]].get("byteOffset", 0) + part.get("byteOffset", 0)
    width = {"VEC3": 3, "VEC4": 4}[part["type"]]
    return np.frombuffer(binary, "<f4", part["count"] * width, start).reshape(-1, width)


def test_tangents_in_the_file_are_those_of_mikktspace(folder, blender):
    """Blender computes its own by Mikkelsen's code, a corner of a face each; ours are a vertex each."""
    place, tangent = accessor(folder / "mesh.glb", "POSITION"), accessor(folder / "mesh.glb", "TANGENT")
    assert np.abs(np.linalg.norm(tangent[:, :3], axis=1) - 1).max() < 1e-5 and set(np.abs(tangent[:, 3])) == {1.0}
    there, theirs, sign = (np.array([loop[i] for loop in blender["loops"]]) for i in range(3))
    there, theirs = (np.stack((v[:, 0], v[:, 2], -v[:, 1]), axis=1) for v in (there, theirs))  # z up -> y up
    agreement = []
    for where, direction, side in zip(there, theirs, sign, strict=True):
        same = np.abs(place - where).max(1) < 1e-5  # on a seam there are several charts
        assert same.any()
        agreement.append(max((tangent[same, :3] @ direction) * (tangent[same, 3] == side)))
    assert np.mean(agreement) > 0.99 and np.mean(np.array(agreement) > 0.97) > 0.97
