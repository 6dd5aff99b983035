"""Differentiable marching tetrahedra, from signed distances at the corners.

Marching tetrahedra (Doi and Koide 1991): where the sign changes along an edge (a, b) a vertex sits at the
root of the linear interpolation, ``(p_a s_b - p_b s_a) / (s_b - s_a)``, which passes gradients to positions
and distances (DMTet, arXiv 2111.04276). Neighbours share edges, so the surface is closed wherever it does
not leave the tetrahedra. The table of cases is worked out below, not stored.
"""

from functools import cache
from itertools import combinations, product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.types import Mesh

PAIRS = tuple(combinations(range(4), 2))
CORNERS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))  # of a tetrahedron with positive volume


@cache
def table() -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """For each of the 16 sets of inside corners (bit i: corner i) its 0 to 2 triangles, as numbers of
    edges in ``PAIRS``, counter-clockwise seen from outside."""
    cases: list[tuple[tuple[int, int, int], ...]] = []
    for bits in product((0, 1), repeat=4):
        inside = [i for i in range(4) if bits[3 - i]]
        outside = [i for i in range(4) if i not in inside]
        if len(inside) == 2:
            (a, b), (c, d) = inside, outside
            ring = [(a, c), (a, d), (b, d), (b, c)]  # each shares a corner with the next
        else:
            ring = [(a, b) for a in inside for b in outside] if inside and outside else []
        if ring and not _faces_outwards(ring, inside, outside):
            ring.reverse()
        edges = [PAIRS.index((min(e), max(e))) for e in ring]
        cases.append(tuple((edges[0], edges[i], edges[i + 1]) for i in range(1, len(edges) - 1)))
    return tuple(cases)


def _faces_outwards(ring: list[tuple[int, int]], inside: list[int], outside: list[int]) -> bool:
    """Does the ring of edge midpoints run counter-clockwise, seen from the outside corners?"""
    corner = torch.tensor(CORNERS, dtype=torch.float64)
    a, b, c = (corner[list(edge)].mean(0) for edge in ring[:3])
    out = corner[outside].mean(0) - corner[inside].mean(0)
    return bool(torch.linalg.cross(b - a, c - a) @ out > 0)


def marching_tets(nodes: Float[Tensor, "n 3"], sdf: Float[Tensor, " n"], tets: Int[Tensor, "t 4"]) -> Mesh:
    """The surface ``sdf = 0`` (negative inside), facing outwards, with gradient to nodes and sdf.

    ``tets`` have positive volume: ``det(b - a, c - a, d - a) > 0``. An exact zero counts as outside.

    Raises:
        ValueError: nothing is inside, or everything is.
    """
    with torch.no_grad():
        inside = sdf < 0
        bit = torch.tensor([1, 2, 4, 8], device=tets.device)
        case = (inside[tets] * bit).sum(1)
        active = ((case > 0) & (case < 15)).nonzero().squeeze(1)
        if len(active) == 0:
            raise ValueError(
                f"marching tetrahedra: got {int(inside.sum())} of {len(sdf)} nodes inside and no surface; "
                "raise the weight of the geometric regularisers or lower the rate"
            )
        tets, case = tets[active], case[active]
        owner, corner = _triangles(case)
        pairs = torch.tensor(PAIRS, device=tets.device)
        ends = tets[owner[:, None, None], pairs[corner]].sort(dim=-1).values  # k 3 2
        key = ends[..., 0] * len(nodes) + ends[..., 1]
        key, faces = torch.unique(key, return_inverse=True)
        a, b = key.div(len(nodes), rounding_mode="floor"), key % len(nodes)
    s_a, s_b = sdf[a, None], sdf[b, None]
    return Mesh((nodes[a] * s_b - nodes[b] * s_a) / (s_b - s_a), faces)


def _triangles(case: Int[Tensor, " t"]) -> tuple[Int[Tensor, " k"], Int[Tensor, "k 3"]]:
    """All triangles: the tetrahedron each is in, and the three of its edges (numbers in ``PAIRS``)."""
    padded = [list(rows) + [(0, 0, 0)] * (2 - len(rows)) for rows in table()]
    count = torch.tensor([len(rows) for rows in table()], device=case.device)[case]
    first = torch.arange(len(case), device=case.device)
    owner = torch.cat((first, first[count == 2]))
    which = torch.cat((torch.zeros_like(first), torch.ones_like(first[count == 2])))
    return owner, torch.tensor(padded, device=case.device)[case[owner], which]
