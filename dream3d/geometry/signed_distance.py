"""Signed distance to a closed mesh, without gradient: the initialisation of refinement."""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from dream3d.geometry.normals import face_normals
from dream3d.geometry.ray_casting import Scene
from dream3d.geometry.surface_sampling import nearest_distances, surface_points
from dream3d.types import Mesh, Rays

DIRECTIONS = ((0.267, 0.535, 0.802), (-0.802, 0.267, 0.535), (0.535, -0.802, -0.267))  # along no axis


PARTS = 12  # surfaces that are counted along a ray
SKIN = 1e-4  # by which a ray goes on behind a surface


def inside(mesh: Mesh, x: Float[Tensor, "n 3"]) -> Tensor:
    """Is a point inside? Along three lines, in both directions, a ray counts the surfaces it leaves through
    less those it enters: the winding number (parts may overlap). Four of the six must find it positive, so
    that holes do little harm and an open sheet has no inside."""
    scene, normals = Scene(mesh.vertices, mesh.faces), face_normals(mesh.vertices, mesh.faces)
    votes = torch.zeros(len(x), dtype=torch.int64)
    for line in torch.tensor(DIRECTIONS):
        for direction in (line, -line):
            votes += winding(scene, normals.float().cpu(), x.float().cpu(), direction) > 0
    return votes >= 4


def winding(
    scene: Scene, normals: Float[Tensor, "f 3"], x: Float[Tensor, "n 3"], direction: Float[Tensor, "3"]
) -> Int[Tensor, " n"]:
    """How many more surfaces a ray from x leaves through than it enters."""
    total = torch.zeros(len(x), dtype=torch.int64)
    alive = torch.arange(len(x))
    origin = x
    for _ in range(PARTS):
        hits = scene.cast(Rays(origin[None, None], direction.expand(1, 1, len(origin), 3)))
        found = (hits.face >= 0).nonzero().squeeze(1)
        if len(found) == 0:
            break
        alive = alive[found]
        total[alive] += (normals[hits.face[found]] @ direction).sign().long()
        origin = origin[found] + (hits.distance[found] + SKIN)[:, None] * direction
    return total


def signed_distance(
    mesh: Mesh, x: Float[Tensor, "n 3"], generator: Generator, samples: int = 60000
) -> Float[Tensor, " n"]:
    """Distance to the nearest of points sampled on the surface, negative inside; on the CPU.

    Raises:
        ValueError: a mesh without faces.
    """
    distance = nearest_distances(x, surface_points(mesh, samples, generator)).to(x)
    return torch.where(inside(mesh, x).to(x.device), -distance, distance)
