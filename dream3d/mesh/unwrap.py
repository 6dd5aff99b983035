"""A UV atlas, by xatlas (charts grown by normal deviation, then packed)."""

import numpy as np
import torch
import xatlas
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.mesh.texels import doubled
from dream3d.types import Mesh

DOUBLED = 0.01
"""Share of the texels that may belong to two places of the surface, before uv are made anew."""
KINDS = (np.int64, np.int64, np.float32)


def atlas_of(mesh: Mesh, *, size: int, padding: int) -> Mesh:
    """The mesh as it is where its uv give every place of the surface a texel of its own, else ``unwrap``."""
    if mesh.uv is None or len(mesh.faces) == 0:
        return unwrap(mesh, size=size, padding=padding)
    extent = (mesh.uv.amax(0) - mesh.uv.amin(0)).amin()
    whole = mesh.uv.amin() > -1e-4 and mesh.uv.amax() < 1 + 1e-4 and extent > 2 / size
    kept = bool(whole) and doubled(mesh.uv, mesh.faces, size) <= DOUBLED
    return mesh if kept else unwrap(mesh, size=size, padding=padding)


def unwrap(mesh: Mesh, *, size: int, padding: int) -> Mesh:
    """The mesh with ``uv`` for a texture of ``size`` x ``size`` texels, ``padding`` of them between charts.

    Vertices on seams are doubled; faces keep their order and their shape. The time grows with the
    number of faces: decimate first.

    Raises:
        ValueError: a size or padding that cannot work, or no faces.
    """
    if size < 16 or padding < 0:
        raise ValueError(f"mesh.size, mesh.padding: got {size}, {padding}; expected size >= 16 and padding >= 0")
    if len(mesh.faces) == 0:
        raise ValueError("unwrap: got a mesh without faces, expected at least 1")
    source, faces, uv = flattened(mesh, size=size, padding=padding)
    return Mesh(
        vertices=mesh.vertices[source],
        faces=faces,
        colours=None if mesh.colours is None else mesh.colours[source],
        normals=None if mesh.normals is None else mesh.normals[source],
        uv=uv,
        placement=mesh.placement,
    )


def flattened(
    mesh: Mesh, *, size: int, padding: int
) -> tuple[Int[Tensor, " n"], Int[Tensor, "f 3"], Float[Tensor, "n 2"]]:
    """Charts of the mesh: which vertex each new one is a copy of, the faces of the new ones, and their uv."""
    atlas = xatlas.Atlas()
    normals = None if mesh.normals is None else mesh.normals.float().numpy()
    atlas.add_mesh(mesh.vertices.float().numpy(), mesh.faces.numpy().astype(np.uint32), normals)
    pack = xatlas.PackOptions()
    pack.resolution, pack.padding, pack.bilinear = size, padding, True
    atlas.generate(xatlas.ChartOptions(), pack)
    origin, faces, uv = (torch.from_numpy(array.astype(kind)) for array, kind in zip(atlas[0], KINDS, strict=True))
    return origin, faces, uv
