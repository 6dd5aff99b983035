"""Verifies a written file: reads it back and compares it with the mesh, triangle by triangle."""

from pathlib import Path

import numpy as np
import trimesh
from trimesh.visual import TextureVisuals

from dream3d.mesh.clean import to_trimesh
from dream3d.mesh.importing.others import picture_of
from dream3d.mesh.printing import from_3mf
from dream3d.types import Mesh

TOLERANCE = 1e-5
"""Of uv, and of positions in a mesh of size 1: 32-bit floats in GLB and STL, 8 decimals in OBJ, 6 in 3MF."""


class BadFile(ValueError):
    """A written mesh file that does not read back as the mesh."""


def check_file(path: Path, mesh: Mesh) -> None:
    """Read ``path`` and compare: number of faces, bounds, every corner of every triangle (so no axis is
    flipped and no winding is reversed), and for GLB and OBJ of a baked mesh uv and texture.

    Raises:
        BadFile: what differs, as got and expected.
    """
    loaded = to_trimesh(from_3mf(path.read_bytes())) if path.suffix == ".3mf" else trimesh.load(path, process=False)
    if isinstance(loaded, trimesh.Scene):
        loaded = loaded.to_mesh()
    if not isinstance(loaded, trimesh.Trimesh):
        raise BadFile(f"{path.name}: got {type(loaded).__name__}, expected one mesh")
    if len(loaded.faces) != len(mesh.faces):
        raise BadFile(f"{path.name}: got {len(loaded.faces)} faces, expected {len(mesh.faces)}")
    corners = mesh.vertices.double().numpy()[mesh.faces.numpy()]
    got, expected = loaded.bounds, np.stack((corners.min((0, 1)), corners.max((0, 1))))
    tolerance = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not np.allclose(got, expected, rtol=0, atol=tolerance):
        raise BadFile(f"{path.name}: got bounds {got.tolist()}, expected {expected.tolist()}")
    error = np.abs(np.asarray(loaded.triangles) - corners).max()
    if error > tolerance:
        raise BadFile(
            f"{path.name}: got triangle corners up to {error:.3g} away, expected at most {tolerance:.3g}; "
            "an axis or a winding is flipped, or faces are in another order"
        )
    if mesh.texture is not None and path.suffix in (".glb", ".obj"):
        _check_texture(path, loaded, mesh)


def _check_texture(path: Path, loaded: trimesh.Trimesh, mesh: Mesh) -> None:
    assert mesh.texture is not None and mesh.uv is not None
    image, visual = picture_of(loaded), loaded.visual
    if image is None or not isinstance(visual, TextureVisuals) or visual.uv is None:
        raise BadFile(f"{path.name}: got no texture, expected one of {_size(mesh)} texels")
    pixels = np.asarray(image.convert("RGB"))
    if pixels.shape != tuple(mesh.texture.shape):
        raise BadFile(f"{path.name}: got a texture of {image.width} x {image.height}, expected {_size(mesh)}")
    expected = (mesh.texture.clamp(0, 1) * 255).round().byte().numpy()
    if not np.array_equal(pixels, expected):
        difference = np.abs(pixels.astype(int) - expected).max()
        raise BadFile(f"{path.name}: got texture colours up to {difference}/255 off, expected the same bytes")
    error = np.abs(np.asarray(visual.uv)[loaded.faces] - mesh.uv.numpy()[mesh.faces.numpy()]).max()
    if error > TOLERANCE:
        raise BadFile(f"{path.name}: got uv up to {error:.3g} off, expected at most {TOLERANCE}; is v turned over?")


def _size(mesh: Mesh) -> str:
    assert mesh.texture is not None
    return f"{mesh.texture.shape[1]} x {mesh.texture.shape[0]}"
