"""A UV atlas, by xatlas (charts grown by normal deviation, then packed)."""

import logging
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
import xatlas
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dream3d.mesh.texels import doubled
from dream3d.types import Mesh

DOUBLED = 0.01
"""Maximum fraction of texels that belong to two places of the surface before uv are generated anew."""
FLAT = 1e-3
"""Twice the area in texels below which a triangle has no room in the uv."""
SECONDS_PER_FACE, WORTH_SAYING = 1.5e-4, 60.0
"""What unwrapping takes on one core, and how long it must take to be said beforehand."""
log = logging.getLogger(__name__)
KINDS = (np.int64, np.int64, np.float32)


def atlas_of(mesh: Mesh, *, size: int, padding: int) -> Mesh:
    """The mesh as it is where its uv give every place of the surface a texel of its own, else ``unwrap``. Faces
    without room in the uv (of one colour, say) get some beside the others, which are made smaller alike."""
    if mesh.uv is None or len(mesh.faces) == 0:
        return unwrap(mesh, size=size, padding=padding)
    extent = (mesh.uv.amax(0) - mesh.uv.amin(0)).amin()
    whole = mesh.uv.amin() > -1e-4 and mesh.uv.amax() < 1 + 1e-4 and extent > 2 / size
    if not whole or doubled(mesh.uv, mesh.faces, size) > DOUBLED:
        return unwrap(mesh, size=size, padding=padding)
    bare = twice_area(mesh.uv, mesh.faces) * size**2 < FLAT
    area = twice_area(mesh.vertices, mesh.faces)
    if area[bare].sum() <= DOUBLED * area.sum():
        return mesh
    return unwrap(mesh, size=size, padding=padding) if bare.all() else beside(mesh, bare, size, padding)


def twice_area(points: Float[Tensor, "v d"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, " f"]:
    """Of every triangle, in the plane or in space."""
    a, b, c = F.pad(points.double(), (0, 3 - points.shape[1]))[faces].unbind(1)
    return torch.linalg.cross(b - a, c - a).norm(dim=-1)


def beside(mesh: Mesh, bare: Bool[Tensor, " f"], size: int, padding: int) -> Mesh:
    """The uv of the faces that have some in a square at the lower left, charts of the others at the upper right;
    the squares' sides are as the roots of what they show, neither below a quarter."""
    area = twice_area(mesh.vertices, mesh.faces)
    side = float(torch.sqrt(area[~bare].sum()) / (torch.sqrt(area[~bare].sum()) + torch.sqrt(area[bare].sum())))
    side = min(max(side, 0.25), 0.75)
    rest = 1 - side - padding / size
    used, local = mesh.faces[bare].unique(return_inverse=True)
    source, faces, uv = flattened(Mesh(mesh.vertices[used], local), size=max(16, round(rest * size)), padding=padding)
    assert mesh.uv is not None
    whole = mesh.faces.clone()
    whole[bare] = faces + len(mesh.vertices)
    index = torch.cat((torch.arange(len(mesh.vertices)), used[source]))
    kept, joined = whole.unique(return_inverse=True)
    places = torch.cat((mesh.uv * side, 1 - rest + uv * rest))[kept]
    source = index[kept]
    return replace(
        mesh,
        vertices=mesh.vertices[source],
        faces=joined,
        colours=None if mesh.colours is None else mesh.colours[source],
        normals=None if mesh.normals is None else mesh.normals[source],
        uv=places,
        texture=None,
        material=None,
    )


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
    seconds = SECONDS_PER_FACE * len(mesh.faces)
    if seconds > WORTH_SAYING:
        log.warning(
            "unwrapping %d triangles takes about %.0f minutes; decimate the mesh if that is too long",
            len(mesh.faces), seconds / 60,
        )  # fmt: skip
    atlas = xatlas.Atlas()
    normals = None if mesh.normals is None else mesh.normals.float().numpy()
    atlas.add_mesh(mesh.vertices.float().numpy(), mesh.faces.numpy().astype(np.uint32), normals)
    pack = xatlas.PackOptions()
    pack.resolution, pack.padding, pack.bilinear = size, padding, True
    atlas.generate(xatlas.ChartOptions(), pack)
    origin, faces, uv = (torch.from_numpy(array.astype(kind)) for array, kind in zip(atlas[0], KINDS, strict=True))
    return origin, faces, uv
