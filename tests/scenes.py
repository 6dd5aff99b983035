"""Small meshes with known properties, shared by the tests."""

import torch
import trimesh

from dream3d.types import Mesh

SIDES = {"+x": (1, 0, 0), "-x": (1, 1, 0), "+y": (0, 1, 0), "-y": (0, 1, 1), "+z": (0, 0, 1), "-z": (1, 0, 1)}


def box(extent: float = 1.0) -> Mesh:
    """A cube round the origin, a different colour on every side (``SIDES``)."""
    vertices, faces, colours = [], [], []
    for axis in range(3):
        for sign in (1, -1):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                p = [0.0, 0.0, 0.0]
                p[axis], p[u], p[v] = sign * extent / 2, sign * a * extent / 2, b * extent / 2
                vertices.append(p)
                colours.append(SIDES[f"{'+' if sign > 0 else '-'}{'xyz'[axis]}"])
            i = len(vertices) - 4
            faces += [(i, i + 1, i + 2), (i, i + 2, i + 3)]
    return Mesh(torch.tensor(vertices), torch.tensor(faces), torch.tensor(colours).float())


def sphere(radius: float = 0.5, subdivisions: int = 3) -> Mesh:
    """An icosphere coloured by position: ``rgb = 0.5 + 0.4 p / radius``."""
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    vertices = torch.tensor(ball.vertices, dtype=torch.float32)
    return Mesh(vertices, torch.tensor(ball.faces, dtype=torch.int64), 0.5 + 0.4 * vertices / radius)
