"""Rasterises triangles in texture space: the surface point of every texel, all triangles at once."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

MARGIN = 1.0  # texels: centres so near outside of a triangle are bilinear neighbours of points inside
CERTAIN = 4.0  # times the area of the texture that charts may cover before their overlap is estimated


class Texels(NamedTuple):
    """Texels that show the surface: row (0 at the top), column, face and barycentric coordinates."""

    row: Int[Tensor, " n"]
    column: Int[Tensor, " n"]
    face: Int[Tensor, " n"]
    barycentric: Float[Tensor, "n 3"]


def rasterise_uv(uv: Float[Tensor, "v 2"], faces: Int[Tensor, "f 3"], size: int) -> Texels:
    """Texels whose centre is in a triangle, and those at most ``MARGIN`` outside of one (which get the
    triangle's nearest point, so that thin triangles and borders are covered). Sorted by row, column.

    Texel (row, column) has its centre at ``u = (column + 0.5) / size``, ``v = 1 - (row + 0.5) / size``.
    """
    corner = torch.stack((uv[:, 0] * size, (1 - uv[:, 1]) * size), dim=-1)[faces].double()
    face, pixel = _candidates(corner, size)
    barycentric, margin = _barycentric(corner[face], pixel.double() + 0.5)
    near = margin >= -MARGIN
    face, pixel, barycentric, margin = face[near], pixel[near], barycentric[near], margin[near]
    distance = torch.zeros_like(margin)
    outside = (margin < 0).nonzero().squeeze(1)
    nearest, gap = _nearest_on_edges(corner[face[outside]], pixel[outside].double() + 0.5)
    barycentric[outside], distance[outside] = nearest, gap
    near = distance <= MARGIN
    face, pixel, barycentric, distance = face[near], pixel[near], barycentric[near], distance[near]
    where = pixel[:, 1] * size + pixel[:, 0]
    # Nearest first, then a stable sort by texel: the first of each texel is its nearest triangle.
    order = torch.argsort(distance, stable=True)
    order = order[torch.argsort(where[order], stable=True)]
    where = where[order]
    first = torch.ones_like(where, dtype=torch.bool)
    first[1:] = where[1:] != where[:-1]
    chosen = order[first]
    return Texels(pixel[chosen, 1], pixel[chosen, 0], face[chosen], barycentric[chosen].float())


def doubled(uv: Float[Tensor, "v 2"], faces: Int[Tensor, "f 3"], size: int) -> float:
    """The fraction of covered texels that are inside more than one triangle: mirrored or tiled uv."""
    corner = torch.stack((uv[:, 0] * size, (1 - uv[:, 1]) * size), dim=-1)[faces].double()
    a, b, c = corner.unbind(1)
    fill = float(_cross(b - a, c - a).abs().sum()) / 2 / size**2
    if fill > CERTAIN:  # each texel would be listed so many times
        return 1 - 1 / fill
    face, pixel = _candidates(corner, size)
    _, margin = _barycentric(corner[face], pixel.double() + 0.5)
    pixel = pixel[margin > 1e-6]
    uses = torch.bincount(pixel[:, 1] * size + pixel[:, 0], minlength=size * size)
    return float((uses > 1).sum() / (uses > 0).sum().clamp(min=1))


def _candidates(corner: Float[Tensor, "f 3 2"], size: int) -> tuple[Int[Tensor, " n"], Int[Tensor, "n 2"]]:
    """Every (triangle, texel) pair where the texel is in the triangle's bounding box, widened by MARGIN."""
    low = (corner.amin(1) - 0.5 - MARGIN).ceil().clamp(0, size - 1).long()
    high = (corner.amax(1) - 0.5 + MARGIN).floor().clamp(0, size - 1).long()
    extent = (high - low + 1).clamp(min=0)
    count = extent.prod(1)
    face = torch.repeat_interleave(torch.arange(len(corner)), count)
    within = torch.arange(len(face)) - torch.repeat_interleave(count.cumsum(0) - count, count)
    width = extent[face, 0]
    return face, low[face] + torch.stack((within % width, within // width), dim=-1)


def _barycentric(
    corner: Float[Tensor, "n 3 2"], p: Float[Tensor, "n 2"]
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Barycentric coordinates of p, and its signed distance to the nearest edge's line (inside: positive).

    Triangles without area have no inside: the distance is then a tiny negative number.
    """
    a, b, c = corner.unbind(1)
    area = _cross(b - a, c - a)
    flat = area.abs() < 1e-9
    parts = torch.stack((_cross(b - p, c - p), _cross(c - p, a - p), _cross(a - p, b - p)), dim=-1)
    length = torch.stack((c - b, a - c, b - a), dim=1).norm(dim=-1).clamp(min=1e-12)
    margin = (parts * area.sign()[:, None] / length).amin(-1)
    return parts / torch.where(flat, 1.0, area)[:, None], torch.where(flat, -1e-9, margin)


def _nearest_on_edges(
    corner: Float[Tensor, "n 3 2"], p: Float[Tensor, "n 2"]
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Barycentric coordinates of the point of the triangle's border nearest to p, and its distance."""
    best, distance = p.new_zeros(len(p), 3), p.new_full((len(p),), torch.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, along = corner[:, i], corner[:, j] - corner[:, i]
        length = (along**2).sum(-1).clamp(min=1e-18)
        t = (((p - start) * along).sum(-1) / length).clamp(0, 1)
        gap = (start + t[:, None] * along - p).norm(dim=-1)
        on_edge = torch.zeros_like(best)
        on_edge[:, i], on_edge[:, j] = 1 - t, t
        closer = gap < distance
        best = torch.where(closer[:, None], on_edge, best)
        distance = torch.where(closer, gap, distance)
    return best, distance


def _cross(a: Float[Tensor, "n 2"], b: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
