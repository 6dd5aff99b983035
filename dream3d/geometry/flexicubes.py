"""FlexiCubes extraction: dual marching cubes with learned weights, from signed distances at cube corners.

FlexiCubes (arXiv 2308.05371), written from the paper. Every loop in which the surface runs through a cube
(``loops.py``) has one vertex, amid the loop's crossings u_e; every crossed edge of the lattice has a quad
between the vertices of its four cubes, whose middle is a vertex as well:

    u_e = (s_i a_i x_j - s_j a_j x_i) / (s_i a_i - s_j a_j)          (Eq. 2, alpha: where edges are crossed)
    v   = sum_e b_e u_e / sum_e b_e                                  (Eq. 3, beta: where in its cube)
    m   = (g_1 g_3 (v_1 + v_3) / 2 + g_2 g_4 (v_2 + v_4) / 2) / (g_1 g_3 + g_2 g_4)      (gamma: which fold)

Gradients reach nodes, distances and weights. Two cubes that share a side with signs + - + - would share two
of the dual mesh's edges at one place where the side joins one loop in both: such sides are turned.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.geometry.cube_loops import EDGES, NUMBER, SIDES, loop_table
from dream3d.types import Mesh

ROUNDS = 64
ROUND_THE_EDGE = (2, 1, 3, 0)
"""Of an edge at (u, v) in its cube (number 2 u + v), the cube's place counter-clockwise round the edge."""


@dataclass(frozen=True)
class Weights:
    """Of c cubes, all positive: alpha of corners, beta of edges, gamma."""

    alpha: Float[Tensor, "c 8"]
    beta: Float[Tensor, "c 12"]
    gamma: Float[Tensor, " c"]


@dataclass(frozen=True)
class Crossings:
    """Where the surface crosses edges of cubes: k of them, each once for every cube at the edge.

    ``ends`` are the nodes of the edge, ``dual`` the number of the vertex that the crossing contributes to,
    ``owner[d]`` the cube of vertex d."""

    cube: Int[Tensor, " k"]
    edge: Int[Tensor, " k"]
    ends: Int[Tensor, "k 2"]
    dual: Int[Tensor, " k"]
    owner: Int[Tensor, " d"]


def flexicubes(
    nodes: Float[Tensor, "n 3"], sdf: Float[Tensor, " n"], cubes: Int[Tensor, "c 8"], weights: Weights
) -> tuple[Mesh, Float[Tensor, " d"]]:
    """The surface ``sdf = 0`` (negative inside), facing outwards; and of each vertex in a cube the mean
    absolute deviation of the distances to its crossings, ``mean_e | |v - u_e| - mean_e |v - u_e| |``
    (the paper's regulariser L_dev is their sum).

    Corner i of a cube lies at its bits 4, 2 and 1 along x, y and z. An exact zero counts as outside.

    Raises:
        ValueError: there is no surface, or it leaves the cubes.
    """
    found = crossings(sdf.detach() < 0, cubes)
    alpha = weights.alpha[found.cube[:, None], _table(EDGES, cubes)[found.edge]]
    s = sdf[found.ends] * alpha
    x = nodes[found.ends]
    u = (s[:, :1] * x[:, 1] - s[:, 1:] * x[:, 0]) / (s[:, :1] - s[:, 1:])
    b = weights.beta[found.cube, found.edge]
    total = u.new_zeros(len(found.owner)).index_add(0, found.dual, b)
    vertex = torch.zeros_like(u[: len(total)]).index_add(0, found.dual, b[:, None] * u) / total[:, None]
    corner = quads(found, sdf.detach() < 0)
    gamma = weights.gamma[found.owner[corner]]
    fold, other = (gamma[:, :1] * gamma[:, 2:3], gamma[:, 1:2] * gamma[:, 3:])
    v = vertex[corner]
    middle = (fold * (v[:, 0] + v[:, 2]) + other * (v[:, 1] + v[:, 3])) / (2 * (fold + other))
    last = len(vertex) + torch.arange(len(corner), device=corner.device)
    faces = torch.stack((corner, corner.roll(-1, 1), last[:, None].expand_as(corner)), dim=-1)
    return Mesh(torch.cat((vertex, middle)), faces.view(-1, 3)), deviation(u, vertex, found.dual)


def deviation(u: Float[Tensor, "k 3"], vertex: Float[Tensor, "d 3"], dual: Int[Tensor, " k"]) -> Float[Tensor, " d"]:
    """Of the distances between each vertex and its crossings, the mean absolute deviation from their mean."""
    distance = ((u - vertex[dual]).square().sum(-1) + 1e-20).sqrt()
    zero = distance.new_zeros(len(vertex))
    count = zero.index_add(0, dual, torch.ones_like(distance))
    mean = zero.index_add(0, dual, distance) / count
    return zero.index_add(0, dual, (distance - mean[dual]).abs()) / count


@torch.no_grad()
def crossings(inside: Tensor, cubes: Int[Tensor, "c 8"]) -> Crossings:
    """All crossings of all cubes. Raises ValueError when there are none."""
    case = (inside[cubes] * _table([1 << i for i in range(8)], cubes)).sum(1)
    active = ((case > 0) & (case < 255)).nonzero().squeeze(1)
    if len(active) == 0:
        raise ValueError(
            f"flexicubes: got {int(inside.sum())} of {len(inside)} nodes inside and no surface; "
            "raise the weight of the geometric regularisers or lower the rate"
        )
    case, own = case[active], cubes[active]
    table = loop_table()[0].to(cubes.device)
    loop = table[case, turned_sides(own, case)]
    count = loop.amax(1) + 1
    first = count.cumsum(0) - count
    cube, edge = (loop >= 0).nonzero(as_tuple=True)
    owner = torch.repeat_interleave(active, count)
    ends = own[cube[:, None], _table(EDGES, cubes)[edge]]
    return Crossings(active[cube], edge, ends, first[cube] + loop[cube, edge], owner)


@torch.no_grad()
def quads(found: Crossings, inside: Tensor) -> Int[Tensor, "q 4"]:
    """For every crossed edge of the lattice its four vertices, counter-clockwise seen from outside."""
    bits = torch.tensor([(4, 2, 1), (2, 1, 4), (1, 4, 2)], device=found.edge.device)[found.edge // 4]
    low = _table(EDGES, found.edge)[found.edge, 0]
    place = 2 * (low & bits[:, 1]).bool().long() + (low & bits[:, 2]).bool().long()
    ring = _table(ROUND_THE_EDGE, found.edge)[place]
    _, key, uses = torch.unique(
        found.ends[:, 0] * len(inside) + found.ends[:, 1], return_inverse=True, return_counts=True
    )
    if bool((uses != 4).any()):
        raise ValueError("flexicubes: got a surface that leaves the cubes, expected it to end inside them")
    order = (4 * key + ring).argsort().view(-1, 4)
    corner = found.dual[order]
    outwards = inside[found.ends[order[:, 0], 0]]
    return torch.where(outwards[:, None], corner, corner.flip(1))


@torch.no_grad()
def turned_sides(cubes: Int[Tensor, "c 8"], case: Int[Tensor, " c"]) -> Int[Tensor, " c"]:
    """The sides of each cube (as bits) that are to be turned, so that no side with signs + - + - joins a
    single loop in both of its cubes.

    Turning a side parts that loop in both. It may join loops at other such sides of the cubes: they are
    looked at again, at most ``ROUNDS`` times, cubes turning one side at a time.
    """
    table, unclear = (t.to(cubes.device) for t in loop_table())
    mask = torch.zeros_like(case)
    cube, side = unclear[case].nonzero(as_tuple=True)
    if len(cube) == 0:
        return mask
    lowest = cubes[cube, _table([ring[0] for ring in SIDES], cubes)[side]]
    order = torch.argsort(3 * lowest + side // 2, stable=True)
    cube, side = cube[order].view(-1, 2), side[order].view(-1, 2)
    number = torch.arange(len(cube), device=cubes.device)
    edges = _table([[NUMBER[frozenset((r[i], r[i - 1]))] for i in range(4)] for r in SIDES], cubes)[side]
    for attempt in range(ROUNDS):
        loop = table[case[cube], mask[cube]].gather(2, edges)
        bad = (loop == loop[..., :1]).all(-1).all(-1)
        if not bool(bad.any()):
            break
        # One side a cube: that of the smallest number, which is another one each time.
        rank = torch.where(bad, (number * 7919 + attempt * 104729) % 1000003, 2**31)
        least = torch.full_like(case, 2**31).scatter_reduce(0, cube.flatten(), rank.repeat_interleave(2), "amin")
        chosen = bad & (least[cube] == rank[:, None]).all(1)
        mask = mask.scatter_add(0, cube[chosen].flatten(), _bit(mask, cube[chosen], side[chosen]))
    return mask


def _bit(mask: Int[Tensor, " c"], cube: Int[Tensor, "p 2"], side: Int[Tensor, "p 2"]) -> Int[Tensor, " q"]:
    """The change of the bit field that flips these sides."""
    bit = 1 << side
    return torch.where((mask[cube] & bit) > 0, -bit, bit).flatten()


def _table(values: object, like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device)
