"""Weights w(t), functions of ``alpha_bar_t`` alone. A configuration names one with ``_partial_``."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Weight = Callable[[Tensor], Tensor]
"""``alpha_bar_t (b,) -> w (b,)``."""


def weigh(
    grad: Float[Tensor, "b *d"], weight: Weight, alpha_bar: Float[Tensor, " T"], t: Int[Tensor, " b"]
) -> Float[Tensor, "b *d"]:
    """``w(t) grad``, image by image."""
    return weight(alpha_bar[t]).to(grad).view(-1, *(1,) * (grad.ndim - 1)) * grad


def sigma_squared(alpha_bar: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """``1 - alpha_bar``: DreamFusion's (arXiv 2209.14988)."""
    return 1 - alpha_bar


def uniform(alpha_bar: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """1 at every t."""
    return torch.ones_like(alpha_bar)


def alpha_sigma_squared(alpha_bar: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """``sqrt(alpha_bar) (1 - alpha_bar)``: that of Latent-NeRF's and Fantasia3D's code."""
    return alpha_bar.sqrt() * (1 - alpha_bar)


def noise_to_signal(alpha_bar: Float[Tensor, " b"], factor: float = 1.0) -> Float[Tensor, " b"]:
    """``factor sqrt((1 - alpha_bar) / alpha_bar)``, bounded by 100 factor: ISM's (arXiv 2311.11284)."""
    return factor * ((1 - alpha_bar) / alpha_bar.clamp(min=1e-4)).sqrt()


def signal(alpha_bar: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """``sqrt(alpha_bar)``: PlacidDreamer's (arXiv 2407.13976)."""
    return alpha_bar.sqrt()


def flow(alpha_bar: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """``(alpha + sigma) / alpha``, bounded by 101: with it SDS is RFDS (arXiv 2406.03293).

    The residual ``v - (noise - x)`` of a rectified flow's velocity is ``(eps_hat - noise) / (1 - s)``, where
    ``s = sigma / (alpha + sigma)`` is the flow's time at the same ratio of noise to signal.
    """
    return 1 + noise_to_signal(alpha_bar)
