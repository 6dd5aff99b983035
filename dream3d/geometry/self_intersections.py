"""Counts the self-intersections of a mesh, for the report."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.geometry.ray_casting import Scene
from dream3d.types import Mesh, Rays

EDGES = ((0, 1), (1, 2), (2, 0))
ROUNDS = 24  # triangles that are looked at along one edge
STEP = 1e-4  # of an edge's length: how far behind a triangle the next one is looked for


@torch.no_grad()
def self_intersections(mesh: Mesh) -> int:
    """The number of pairs of triangles without a common vertex of which one is pierced by an edge of the
    other. Triangles that merely touch, or lie in one plane, do not count.

    Embree says which triangles lie along each edge; of those every pair is cut in double precision
    (``pierces``).
    """
    faces = mesh.faces.cpu()
    if len(faces) == 0:
        return 0
    corner = mesh.vertices.detach().cpu().double()[faces]
    one, other = along_edges(mesh, corner.float())
    apart = ~(faces[one][:, :, None] == faces[other][:, None]).any(-1).any(-1)
    one, other = one[apart], other[apart]
    cut = pierces(corner[one], corner[other])
    low, high = torch.minimum(one, other)[cut], torch.maximum(one, other)[cut]
    return len(torch.unique(low * len(faces) + high))


def along_edges(mesh: Mesh, corner: Float[Tensor, "f 3 3"]) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"]]:
    """Pairs (a, b): a ray along an edge of triangle a meets triangle b before the edge ends."""
    scene = Scene(mesh.vertices, mesh.faces)
    start, end = (torch.cat([corner[:, edge[k]] for edge in EDGES]) for k in (0, 1))
    owner = torch.arange(len(corner)).repeat(3)
    left, direction = (end - start).norm(dim=-1), F.normalize(end - start, dim=-1)
    step, found = STEP * left, []
    for _ in range(ROUNDS):
        hits = scene.cast(Rays(start[None, None], direction[None, None]))
        on = ((hits.face >= 0) & (hits.distance < left)).nonzero().squeeze(1)
        if len(on) == 0:
            break
        found.append((owner[on], hits.face[on]))
        far = hits.distance[on] + step[on]
        start = start[on] + far[:, None] * direction[on]
        owner, left, direction, step = owner[on], left[on] - far, direction[on], step[on]
    if not found:
        return owner[:0], owner[:0]
    return torch.cat([a for a, _ in found]), torch.cat([b for _, b in found])


def pierces(one: Float[Tensor, "p 3 3"], other: Float[Tensor, "p 3 3"]) -> Tensor:
    """Does an edge of triangle ``one`` go through the inside of triangle ``other``?"""
    a, b, c = other.unbind(1)
    ab, ac = b - a, c - a
    found = torch.zeros(len(one), dtype=torch.bool)
    for i, j in EDGES:
        origin, direction = one[:, i], one[:, j] - one[:, i]
        p, towards = torch.linalg.cross(direction, ac), origin - a
        q = torch.linalg.cross(towards, ab)
        det = (ab * p).sum(-1)
        # Multiplied by det instead of divided: parallel ones have det 0 and fail every comparison.
        sign = det.sign()
        u, v = (towards * p).sum(-1) * sign, (direction * q).sum(-1) * sign
        t, size = (ac * q).sum(-1) * sign, det.abs()
        found |= (u > 0) & (v > 0) & (u + v < size) & (t > 0) & (t < size)
    return found
