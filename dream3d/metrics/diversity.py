"""Diversity of the results of several seeds."""

import torch
from jaxtyping import Float
from torch import Tensor


def diversity(features: Float[Tensor, "n d"]) -> float:
    """Mean Euclidean distance over all pairs; 0 for identical results.

    Give embeddings of unit length (then it lies in [0, 2]) or pixels of the same views.

    Raises:
        ValueError: fewer than two results.
    """
    if len(features) < 2:
        raise ValueError(f"diversity: got {len(features)} results, expected at least 2; run more seeds")
    return torch.pdist(features).mean().item()
