"""Pearson's correlation, differentiable."""

import torch
from jaxtyping import Float
from torch import Tensor

LEAST = 1e-20  # product of the two norms below which one of them is constant; its gradient is 0, not the rounding's


def pearson(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """``sum (a - mean a)(b - mean b) / (|a - mean a| |b - mean b|)``, in [-1, 1]; 0 where one of them does not vary.

    >>> a = torch.tensor([1.0, 2.0, 4.0])
    >>> round(float(pearson(a, 3 * a - 1)), 4)
    1.0
    """
    a, b = a - a.mean(), b - b.mean()
    spread = torch.linalg.vector_norm(a) * torch.linalg.vector_norm(b)
    varies = spread > LEAST
    return torch.where(varies, (a @ b) / torch.where(varies, spread, torch.ones_like(spread)), 0.0)
