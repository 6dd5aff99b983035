"""Loops of edge crossings in a cube, for every sign pattern of its corners.

Corner i of a cube lies at its bits 4, 2 and 1 along x, y and z. On each of the six sides the crossed edges
are joined in pairs by segments; the segments of all sides form closed loops. A side whose corners have signs
+ - + - can be joined in two ways: usually round its inside corners one by one, and round its outside corners
where it is *turned*. Every loop becomes one vertex of dual marching cubes (Nielson 2004). Worked out, not
stored: each case is a handful of lines.
"""

from functools import cache
from itertools import product

import torch
from jaxtyping import Int
from torch import Tensor

EDGES = tuple((a, a | bit) for bit in (4, 2, 1) for a in range(8) if not a & bit)
"""The two corners of each edge: four along x, four along y, four along z."""
NUMBER = {frozenset(edge): i for i, edge in enumerate(EDGES)}
SIDES = tuple(
    (value, value | u, value | u | v, value | v)
    for bit, u, v in ((4, 2, 1), (2, 1, 4), (1, 4, 2))
    for value in (0, bit)
)
"""The four corners of each side in a ring: x low, x high, y low, y high, z low, z high."""


def segments(case: int, side: int, turned: bool) -> list[tuple[int, int]]:
    """The pairs of edges that the surface joins on a side."""
    ring = SIDES[side]
    inside = [bool(case >> corner & 1) for corner in ring]
    edge = [NUMBER[frozenset((ring[i], ring[(i + 1) % 4]))] for i in range(4)]
    crossed = [i for i in range(4) if inside[i] != inside[(i + 1) % 4]]
    if len(crossed) < 4:
        return [(edge[crossed[0]], edge[crossed[1]])] if crossed else []
    return [(edge[i - 1], edge[i]) for i in range(4) if inside[i] != turned]


def loops(case: int, turned: int) -> list[list[int]]:
    """The closed loops of a sign pattern (bit i: corner i is inside), as edges; bit s of ``turned``: side s
    is turned."""
    neighbours: dict[int, list[int]] = {}
    for side in range(6):
        for a, b in segments(case, side, bool(turned >> side & 1)):
            neighbours.setdefault(a, []).append(b)
            neighbours.setdefault(b, []).append(a)
    found, seen = [], set()
    for start in sorted(neighbours):
        loop, here = [], start
        while here not in seen:
            seen.add(here)
            loop.append(here)
            here = next((n for n in neighbours[here] if n not in seen), start)
        if loop:
            found.append(loop)
    return found


def ambiguous(case: int) -> list[int]:
    """The sides with signs + - + -."""
    return [s for s, ring in enumerate(SIDES) if [case >> c & 1 for c in ring] in ([0, 1, 0, 1], [1, 0, 1, 0])]


@cache
def loop_table() -> tuple[Int[Tensor, "256 64 12"], Int[Tensor, "256 6"]]:
    """For a sign pattern and its turned sides, which loop each edge is on (-1: none); and which sides of a
    pattern are ambiguous. Bits of sides that are not ambiguous make no difference."""
    table = torch.full((256, 64, 12), -1)
    sides = torch.zeros(256, 6, dtype=torch.int64)
    for case in range(256):
        free = ambiguous(case)
        sides[case, free] = 1
        for chosen in product((0, 1), repeat=len(free)):
            mask = sum(on << side for on, side in zip(chosen, free, strict=True))
            same = [m for m in range(64) if all((m >> s & 1) == (mask >> s & 1) for s in free)]
            for number, loop in enumerate(loops(case, mask)):
                for edge in loop:
                    table[case, same, edge] = number
    return table, sides
