"""Distances between two surfaces, from points sampled on them."""

from jaxtyping import Float
from torch import Tensor

from dream3d.geometry.surface_sampling import nearest_distances


def chamfer(a: Float[Tensor, "n 3"], b: Float[Tensor, "m 3"]) -> float:
    """Chamfer-L1 (arXiv 1812.03828): half the sum of the mean nearest distances a -> b and b -> a.

    Raises:
        ValueError: one of the sets is empty.
    """
    return 0.5 * (nearest_distances(a, b).mean() + nearest_distances(b, a).mean()).item()


def f_score(a: Float[Tensor, "n 3"], reference: Float[Tensor, "m 3"], threshold: float) -> float:
    """Harmonic mean of precision (fraction of a near the reference) and recall (arXiv 1905.03678)."""
    precision = (nearest_distances(a, reference) <= threshold).float().mean().item()
    recall = (nearest_distances(reference, a) <= threshold).float().mean().item()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
