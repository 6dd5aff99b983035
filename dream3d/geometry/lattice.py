"""A body-centred cubic lattice of tetrahedra, generated at any resolution.

Cubes with a node in their middle as well: every face between two cubes gives four tetrahedra, each of both
middles and one edge of the face. All are alike and as regular as tetrahedra that fill space can be
(edge lengths 1 and sqrt(3)/2 of a cube), with no preferred direction, unlike cubes cut in five or six.
"""

from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def lattice(resolution: int, radius: float = 1.0) -> tuple[Float[Tensor, "n 3"], Int[Tensor, "t 4"]]:
    """Nodes and tetrahedra (positive volume) that cover the ball of this radius, with ``resolution`` cubes
    across it; a margin of one cube lies around, and tetrahedra wholly outside the ball are left out.

    Raises:
        ValueError: a resolution below 2.
    """
    _check(resolution)
    n, h = resolution + 2, 2 * radius / resolution
    axis = torch.arange(n + 1)
    corner = torch.cartesian_prod(axis, axis, axis)
    middle = torch.cartesian_prod(axis[:-1], axis[:-1], axis[:-1])
    nodes = torch.cat((corner.double(), middle + 0.5)) * h - radius - h
    tets = torch.cat([_across(axis, n, len(corner)) for axis in range(3)])
    tets = tets[(nodes[tets].norm(dim=-1) <= radius).any(1)]
    a, b, c, d = nodes[tets].unbind(1)
    negative = ((b - a) * torch.linalg.cross(c - a, d - a)).sum(-1) < 0
    tets[negative] = tets[negative][:, [0, 1, 3, 2]]
    used = torch.zeros(len(nodes), dtype=torch.bool).index_fill_(0, tets.flatten(), True)
    return nodes[used].float(), (used.cumsum(0) - 1)[tets]


def cubes(resolution: int, radius: float = 1.0) -> tuple[Float[Tensor, "n 3"], Int[Tensor, "c 8"]]:
    """Nodes and cubes that cover the ball, as ``lattice`` does; corner i of a cube lies at its bits 4, 2 and
    1 along x, y and z. Nodes are numbered along x, y, z, z fastest.

    Raises:
        ValueError: a resolution below 2.
    """
    _check(resolution)
    n, h = resolution + 2, 2 * radius / resolution
    nodes = torch.cartesian_prod(*[torch.arange(n + 1)] * 3).double() * h - radius - h
    first = torch.cartesian_prod(*[torch.arange(n)] * 3)
    corner = first[:, None] + torch.cartesian_prod(*[torch.arange(2)] * 3)
    number = (corner[..., 0] * (n + 1) + corner[..., 1]) * (n + 1) + corner[..., 2]
    number = number[(nodes[number].norm(dim=-1) <= radius).any(1)]
    used = torch.zeros(len(nodes), dtype=torch.bool).index_fill_(0, number.flatten(), True)
    return nodes[used].float(), (used.cumsum(0) - 1)[number]


def _check(resolution: int) -> None:
    if resolution < 2:
        raise ValueError(f"refine.field.resolution: got {resolution}, expected at least 2 cubes across the ball")


def _across(axis: int, n: int, middles: int) -> Int[Tensor, "t 4"]:
    """The tetrahedra of all faces that cut an axis; ``middles`` is the number of the first middle node."""
    ranges = [torch.arange(n - (a == axis)) for a in range(3)]
    cube = torch.cartesian_prod(*ranges)
    step = torch.eye(3, dtype=torch.int64)
    u, v = step[(axis + 1) % 3], step[(axis + 2) % 3]
    base = cube + step[axis]
    ring = [base, base + u, base + u + v, base + v, base]
    number = [(p[:, 0] * (n + 1) + p[:, 1]) * (n + 1) + p[:, 2] for p in ring]
    first, second = (middles + (p[:, 0] * n + p[:, 1]) * n + p[:, 2] for p in (cube, base))
    return torch.cat([torch.stack((first, second, p, q), dim=1) for p, q in pairwise(number)])


def blocks(
    nodes: Float[Tensor, "n 3"], tets: Int[Tensor, "t 4"], size: float
) -> tuple[Int[Tensor, "b m"], Int[Tensor, "b k 4"]]:
    """Tetrahedra by the cube of this size that their first node is in: all nodes of a block, and its tets.

    A block whose nodes have one sign holds no surface; asking that of blocks is far quicker than of every
    tetrahedron. Rows are filled up, with a node of the block and with tetrahedra of one node four times.
    """
    place = (nodes[tets[:, 0]] / size).floor().long()
    place = place - place.amin(0)
    extent = place.amax(0) + 1
    key = (place[:, 0] * extent[1] + place[:, 1]) * extent[2] + place[:, 2]
    _, block = torch.unique(key, return_inverse=True)
    pair = torch.unique(block[:, None] * len(nodes) + tets)
    members = _rows(pair.div(len(nodes), rounding_mode="floor"), pair % len(nodes))
    order = block.argsort(stable=True)
    number = _rows(block[order], order)
    grouped = tets[number]
    grouped[:, 1:][number[:, 1:] == number[:, :1]] = members[0, 0]
    return members, grouped


def _rows(row: Int[Tensor, " k"], value: Int[Tensor, " k"]) -> Int[Tensor, "r w"]:
    """A padded table of each row's sorted values; the first value is the padding."""
    count = torch.bincount(row)
    start = count.cumsum(0) - count
    table = value[start][:, None].repeat(1, int(count.max()))
    table[row, torch.arange(len(row)) - start[row]] = value
    return table


def crossed(sdf: Float[Tensor, " n"], cells: Int[Tensor, "c k"]) -> Bool[Tensor, " c"]:
    """Which cells (indices of their nodes) have nodes on both sides of the surface."""
    inside = (sdf.detach() < 0)[cells]
    return inside.any(1) & ~inside.all(1)
