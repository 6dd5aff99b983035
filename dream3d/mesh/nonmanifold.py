"""Repairs edges shared by more than two faces, which decimation creates where it pinches a surface.

Vertices must be shared (``clean.welded``), and no two faces have the same corners.
"""

from collections import defaultdict

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.types import Mesh

NUDGE = 0.01
"""Offset of a new vertex from its edge, as a fraction of the distance to its face's third corner."""


def balanced(mesh: Mesh) -> Mesh:
    """Without the faces on edges that several faces use, but not equally often in either direction.

    What is left there is a hole; every border is a closed walk that ``fill_holes`` can shut.
    """
    faces = mesh.faces
    while True:
        start, end, edge, uses = _edges(faces, len(mesh.vertices))
        forward = torch.zeros_like(uses).index_add_(0, edge, (start < end).long())
        uneven = ((uses > 1) & (2 * forward != uses))[edge].view(-1, 3).any(1)
        if not uneven.any():
            return Mesh(mesh.vertices, faces)
        faces = faces[~uneven]


def parted(mesh: Mesh) -> Mesh:
    """Every ``balanced`` edge of four or more faces taken apart: each two faces that enclose a wedge of the
    solid get a midpoint of their own, a little inside one of them, and are split there.

    Cutting along such edges is Gueziec et al.'s (IEEE TVCG 7(2), 2001); with a midpoint a pair, edges come
    apart even where both their ends stay joined.
    """
    start, _, edge, uses = _edges(mesh.faces, len(mesh.vertices))
    around: dict[int, list[int]] = defaultdict(list)
    for half in (uses[edge] > 2).nonzero().squeeze(1).tolist():
        around[int(edge[half])].append(half)
    vertices, middle = [mesh.vertices], dict[int, int]()
    n = len(mesh.vertices)
    for halves in around.values():
        for pair in _wedges(mesh, start, halves):
            a, b, c = mesh.vertices[_corners(mesh.faces, torch.tensor(pair[:1]))[0]]
            vertices.append(torch.lerp((a + b) / 2, c, NUDGE)[None])
            middle[pair[0]] = middle[pair[1]] = n
            n += 1
    whole = torch.ones(len(mesh.faces), dtype=torch.bool)
    split = []
    for face in sorted({half // 3 for half in middle}):
        whole[face] = False
        ring = [(int(mesh.faces[face, side]), middle.get(3 * face + side)) for side in range(3)]
        split += _fan([v for pair in ring for v in pair if v is not None], first=set(middle.values()))
    faces = torch.cat((mesh.faces[whole], torch.tensor(split, dtype=torch.int64).view(-1, 3)))
    return Mesh(torch.cat(vertices), faces)


def _edges(faces: Int[Tensor, "f 3"], n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Start and end of every half-edge (side s of face f is 3 f + s), its edge, and how many an edge has."""
    start, end = faces.flatten(), faces.roll(-1, 1).flatten()
    key = torch.minimum(start, end) * n + torch.maximum(start, end)
    _, edge, uses = torch.unique(key, return_inverse=True, return_counts=True)
    return start, end, edge, uses


def _corners(faces: Int[Tensor, "f 3"], halves: Int[Tensor, " k"]) -> Int[Tensor, "k 3"]:
    """Start, end and the corner opposite."""
    side = (halves % 3)[:, None] + torch.arange(3)
    return faces[(halves // 3)[:, None], side % 3]


def _wedges(mesh: Mesh, start: Int[Tensor, " h"], halves: list[int]) -> list[tuple[int, int]]:
    """Pairs of half-edges between whose faces the solid is.

    Seen along the edge, faces in order of their angle are brackets: one that runs against the edge has the
    solid on the side of growing angles and opens, one that runs along it closes.
    """
    corners = _corners(mesh.faces, torch.tensor(halves))
    low = corners[:, :2].amin(1)
    angle = _angles(mesh.vertices[low[0]], mesh.vertices[corners[0, :2].amax()], mesh.vertices[corners[:, 2]])
    order = [halves[i] for i in angle.argsort(stable=True).tolist()]
    along = {half: bool(start[half] == low[0]) for half in halves}
    opened, pairs, done = list[int](), list[tuple[int, int]](), set[int]()
    for half in order * 2:  # twice round, since the first bracket may be a closing one
        if half in done:
            continue
        if not along[half]:
            opened.append(half)
            done.add(half)
        elif opened:
            pairs.append((opened.pop(), half))
            done.add(half)
    return pairs


def _angles(a: Float[Tensor, "3"], b: Float[Tensor, "3"], c: Float[Tensor, "k 3"]) -> Float[Tensor, " k"]:
    """Angles of points around the axis from a to b, counter-clockwise where it points to the viewer."""
    axis = torch.nn.functional.normalize(b - a, dim=0)
    u = (c[0] - a) - ((c[0] - a) @ axis) * axis
    v = torch.linalg.cross(axis, u)
    return torch.atan2((c - a) @ v, (c - a) @ u)


def _fan(ring: list[int], first: set[int]) -> list[list[int]]:
    """The polygon as triangles from its first corner that is in ``first``."""
    at = next(i for i, v in enumerate(ring) if v in first)
    turned = ring[at:] + ring[:at]
    return [[turned[0], turned[i], turned[i + 1]] for i in range(1, len(turned) - 1)]
