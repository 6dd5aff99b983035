"""Fills the holes of a mesh."""

from collections import defaultdict

import torch

from dream3d.types import Mesh


def fill_holes(mesh: Mesh) -> Mesh:
    """Fill every hole with a fan around its centroid. Edges of more than two faces are repaired in ``nonmanifold.py``.

    The walk keeps to the direction of the faces, so that what is filled is oriented as they are, and
    holes that touch in a vertex are told apart. Vertices must be shared (``clean.welded``); new ones
    carry no colours or normals.
    """
    vertices, faces = [mesh.vertices], [mesh.faces]
    n = len(mesh.vertices)
    for loop in boundary_loops(mesh):
        ring = torch.tensor(loop)
        if len(loop) == 3:
            faces.append(ring.flip(0)[None])
            continue
        vertices.append(mesh.vertices[ring].mean(0, keepdim=True))
        faces.append(torch.stack((ring.roll(-1), ring, torch.full_like(ring, n)), dim=1))
        n += 1
    return Mesh(torch.cat(vertices), torch.cat(faces))


def boundary_loops(mesh: Mesh) -> list[list[int]]:
    """Closed walks along half-edges that have no opposite one, in the direction of their faces.

    Where a walk comes back to one of its own vertices, that part is a loop of its own.
    """
    start, end = mesh.faces.T.flatten(), mesh.faces.roll(-1, 1).T.flatten()
    n = len(mesh.vertices)
    alone = torch.isin(start * n + end, end * n + start, invert=True)
    onwards: dict[int, list[int]] = defaultdict(list)
    for a, b in zip(start[alone].tolist(), end[alone].tolist(), strict=True):
        onwards[a].append(b)
    loops = []
    for first in list(onwards):
        walk = [first]
        while onwards[walk[-1]]:  # it ends where it began; elsewhere only if faces are not wound alike
            step = onwards[walk[-1]].pop()
            if step in walk:
                at = walk.index(step)
                loops.append(walk[at:])
                walk = walk[: at + 1]
            else:
                walk.append(step)
    return [loop for loop in loops if len(loop) > 2]
