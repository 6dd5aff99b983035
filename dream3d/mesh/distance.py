"""Signed distance to a closed mesh, without gradient: where a refinement starts."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.metrics.chamfer import nearest_distances, surface_points
from dream3d.render.reference import face_normals
from dream3d.render.visibility import Scene
from dream3d.types import Mesh, Rays

DIRECTIONS = ((0.267, 0.535, 0.802), (-0.802, 0.267, 0.535), (0.535, -0.802, -0.267))  # along no axis


def inside(mesh: Mesh, x: Float[Tensor, "n 3"]) -> Tensor:
    """Is a point inside? Rays in three directions vote; a ray from inside first meets a back side."""
    scene, normals = Scene(mesh.vertices, mesh.faces), face_normals(mesh.vertices, mesh.faces)
    votes = torch.zeros(len(x), dtype=torch.int64)
    for direction in torch.tensor(DIRECTIONS):
        hits = scene.cast(Rays(x[None, None].float(), direction.expand(1, 1, len(x), 3)))
        leaves = (normals[hits.face.clamp(min=0)].float() @ direction) > 0
        votes += (hits.face >= 0) & leaves
    return votes >= 2


def signed_distance(
    mesh: Mesh, x: Float[Tensor, "n 3"], generator: Generator, samples: int = 60000
) -> Float[Tensor, " n"]:
    """Distance to the nearest of points sampled on the surface, negative inside; on the CPU.

    Raises:
        ValueError: a mesh without faces.
    """
    distance = nearest_distances(x, surface_points(mesh, samples, generator)).to(x)
    return torch.where(inside(mesh, x), -distance, distance)
