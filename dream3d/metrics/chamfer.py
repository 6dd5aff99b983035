"""How near two surfaces are, by points sampled on them."""

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


def chamfer(a: Float[Tensor, "n 3"], b: Float[Tensor, "m 3"]) -> float:
    """Chamfer-L1 (arXiv 1812.03828): half the sum of the mean nearest distances a -> b and b -> a.

    Raises:
        ValueError: one of the sets is empty.
    """
    return 0.5 * (nearest_distances(a, b).mean() + nearest_distances(b, a).mean()).item()


def f_score(a: Float[Tensor, "n 3"], reference: Float[Tensor, "m 3"], threshold: float) -> float:
    """Harmonic mean of precision (share of a near the reference) and recall (arXiv 1905.03678)."""
    precision = (nearest_distances(a, reference) <= threshold).float().mean().item()
    recall = (nearest_distances(reference, a) <= threshold).float().mean().item()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
