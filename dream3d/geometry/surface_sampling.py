"""Points sampled on a surface, and nearest distances between point sets."""

import torch
import trimesh.sample
from jaxtyping import Float
from scipy.spatial import KDTree
from torch import Generator, Tensor

from dream3d.types import Mesh


def surface_points(mesh: Mesh, count: int, generator: Generator) -> Float[Tensor, "count 3"]:
    """Points uniform in area on the triangles."""
    seed = int(torch.randint(2**31, (1,), generator=generator).item())
    body = trimesh.Trimesh(mesh.vertices.detach().cpu().numpy(), mesh.faces.cpu().numpy(), process=False)
    points = trimesh.sample.sample_surface(body, count, seed=seed)[0]
    return torch.tensor(points, dtype=mesh.vertices.dtype)


def nearest_distances(points: Float[Tensor, "n 3"], to: Float[Tensor, "m 3"]) -> Float[Tensor, " n"]:
    """From each point the distance to the nearest of the others."""
    if len(points) == 0 or len(to) == 0:
        raise ValueError(f"nearest distances: got {len(points)} and {len(to)} points, expected some of both")
    distance, _ = KDTree(to.detach().cpu().numpy()).query(points.detach().cpu().numpy())
    return torch.as_tensor(distance, dtype=points.dtype)
