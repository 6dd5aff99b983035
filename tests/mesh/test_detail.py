"""Normal map, ambient occlusion and coarser copies from a field to the GLB; and what Blender makes of it."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from dream3d.mesh.build import Build
from dream3d.types import Surface

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
    Build(resolution=48, faces=400, size=128, formats=("glb",), occlusion=16, normal_map=True, lods=[200, 100])(
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


@pytest.mark.parametrize("words", [{"occlusion": -1}, {"lods": [2]}])
def test_wrong_numbers_are_refused(words):
    with pytest.raises(ValueError, match=rf"mesh\.{next(iter(words))}: got"):
        Build(**words)


SCRIPT = """
import bpy, json, sys
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=sys.argv[-1])
(thing,) = [o for o in bpy.data.objects if o.type == 'MESH']
corners = [thing.matrix_world @ v.co for v in thing.data.vertices]
kinds = sorted(node.type for node in thing.data.materials[0].node_tree.nodes)
extent = [max(c[i] for c in corners) - min(c[i] for c in corners) for i in range(3)]
found = {'extent': extent, 'nodes': kinds, 'faces': len(thing.data.polygons), 'images': len(bpy.data.images)}
print('RESULT', json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(BLENDER is None, reason="Blender is not installed")
def test_blender_imports_it_upright_with_its_maps(folder, tmp_path):
    assert BLENDER is not None
    (tmp_path / "look.py").write_text(SCRIPT)
    words = [BLENDER, "-b", "--factory-startup", "-P", str(tmp_path / "look.py"), "--", str(folder / "mesh.glb")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout[-500:] + done.stderr[-500:]
    found = json.loads(lines[0].removeprefix("RESULT "))
    x, y, z = found["extent"]  # Blender's z is up: our y
    assert z > x and z > y and abs(z - 1.4) < 0.1
    assert found["faces"] == len(trimesh.load(folder / "mesh.glb", force="mesh").faces)
    assert "NORMAL_MAP" in found["nodes"] and found["images"] >= 3
