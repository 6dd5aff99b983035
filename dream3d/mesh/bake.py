"""Bakes the field's colours into a texture."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor, nn

from dream3d.contracts import material_of
from dream3d.geometry.normals import vertex_normals
from dream3d.mesh.clean import welded
from dream3d.mesh.colour import visible_colour
from dream3d.mesh.delight import delit
from dream3d.mesh.texels import rasterise_uv
from dream3d.render.reference import texture_at
from dream3d.types import Field, Mesh

BLOCK = 65536  # texels at a time


def bake(
    mesh: Mesh,
    field: Field,
    *,
    size: int = 1024,
    outside: float = 0.015,
    inside: float = 0.045,
    samples: int = 6,
    chunk: int = 262144,
    light: Sequence[float | int] | None = None,
) -> Mesh:
    """The mesh with a ``size`` x ``size`` texture: ``visible_colour`` at every texel of its atlas; and with
    texels of the field's ``material``, where it has one. A known ``light`` is divided out (``delight.py``).

    Raises:
        ValueError: a mesh without uv, or a size below 16.
    """
    if mesh.uv is None:
        raise ValueError("bake: got a mesh without uv, expected an atlas; call mesh.unwrap.unwrap first")
    if size < 16:
        raise ValueError(f"mesh.size: got {size}, expected at least 16 texels a side")

    def colour(point: Tensor, normal: Tensor) -> Tensor:
        seen = visible_colour(field, point, normal, outside=outside, inside=inside, samples=samples, chunk=chunk)
        return delit(seen, normal, light)

    baked = replace(mesh, texture=painted(mesh, size, 3, colour))
    material = material_of(field)
    if material is None:
        return baked
    return replace(baked, material=painted(mesh, size, 2, partial(material_at, material)))


@torch.no_grad()
def material_at(
    material: nn.Module, point: Float[Tensor, "n 3"], _normal: Float[Tensor, "n 3"]
) -> Float[Tensor, "n 2"]:
    """Roughness and metallic, evaluated on the material's device and returned on the CPU."""
    return material(point.to(next(material.parameters()).device)).float().cpu()


def painted(
    mesh: Mesh, size: int, channels: int, value: Callable[[Tensor, Tensor], Tensor]
) -> Float[Tensor, "size size channels"]:
    """Bake a texture: ``value`` at the surface points (and unit normals) of the atlas's texels.

    Texels outside the charts take the value of the nearest one inside, all over the texture: no
    background bleeds in at any mip level.
    """
    assert mesh.uv is not None
    normals = vertex_normals(mesh.vertices, mesh.faces) if mesh.normals is None else mesh.normals
    texels = rasterise_uv(mesh.uv, mesh.faces, size)
    texture = torch.zeros(size, size, channels)
    for part in torch.arange(len(texels.face)).split(BLOCK):
        corners, share = mesh.faces[texels.face[part]], texels.barycentric[part][..., None]
        point = (mesh.vertices[corners] * share).sum(1)
        normal = F.normalize((normals[corners] * share).sum(1), dim=-1)
        texture[texels.row[part], texels.column[part]] = value(point, normal)
    covered = torch.zeros(size, size, dtype=torch.bool)
    covered[texels.row, texels.column] = True
    return dilate(texture, covered)


def dilate(texture: Float[Tensor, "h w c"], covered: Bool[Tensor, "h w"]) -> Float[Tensor, "h w c"]:
    """Fill every uncovered texel with the colour of the nearest covered one (exact distances)."""
    if not covered.any():
        raise ValueError("dilate: got no covered texel, expected at least 1; the atlas is empty")
    nearest: Any = ndimage.distance_transform_edt(~covered.numpy(), return_distances=False, return_indices=True)
    row, column = torch.from_numpy(nearest).long()
    return texture[row, column]


def seam_error(mesh: Mesh, level: int = 0) -> Float[Tensor, " n"]:
    """How far colours on the two sides of a seam differ (largest channel), at 3 points of every seam edge.

    ``level`` is the mip level that is looked up: the texture averaged over blocks of ``2^level``.
    """
    if mesh.texture is None or mesh.uv is None:
        raise ValueError("seam_error: got a mesh without a texture, expected a baked one")
    first, second = _seams(mesh)
    share = torch.tensor([0.25, 0.5, 0.75])[:, None, None]
    texture = F.avg_pool2d(mesh.texture.permute(2, 0, 1), 2**level).permute(1, 2, 0)
    sides = []
    for edge in (first, second):
        start, end = mesh.uv[edge[:, 0]], mesh.uv[edge[:, 1]]
        sides.append(texture_at(texture, torch.lerp(start, end, share).reshape(-1, 2)))
    return (sides[0] - sides[1]).abs().amax(-1)


def _seams(mesh: Mesh) -> tuple[Int[Tensor, "s 2"], Int[Tensor, "s 2"]]:
    """Edges with two faces and different uv in each: vertex pairs on one side and on the other, aligned."""
    edges = torch.cat((mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]))
    joined = welded(mesh).faces
    place = torch.cat((joined[:, [0, 1]], joined[:, [1, 2]], joined[:, [2, 0]]))
    swap = place[:, 0] > place[:, 1]
    edges = torch.where(swap[:, None], edges.flip(1), edges)
    place = torch.where(swap[:, None], place.flip(1), place)
    _, owner, uses = torch.unique(place, dim=0, return_inverse=True, return_counts=True)
    order = torch.argsort(owner, stable=True)
    pairs = edges[order[uses[owner[order]] == 2]].view(-1, 2, 2)
    seam = (pairs[:, 0] != pairs[:, 1]).any(-1)
    return pairs[seam, 0], pairs[seam, 1]
