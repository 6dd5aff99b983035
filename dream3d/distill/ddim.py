"""DDIM (arXiv 2010.02502) between any two noise levels, one pair an image."""

from collections.abc import Callable
from itertools import pairwise

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import alpha_sigma, predict_x0


def ddim_step(
    x_t: Float[Tensor, "b *d"],
    eps: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    s: Int[Tensor, " b"],
    alpha_bar: Float[Tensor, " T"],
) -> Float[Tensor, "b *d"]:
    """From level t to level s, lower or higher: ``alpha_s x0(x_t, eps) + sigma_s eps`` (Eq. 12, eta 0)."""
    alpha, sigma = alpha_sigma(alpha_bar, s, x_t)
    return alpha * predict_x0(x_t, eps, t, alpha_bar) + sigma * eps


def ddim_walk(
    score: Callable[[Tensor, Tensor], Tensor],
    x: Float[Tensor, "b *d"],
    levels: list[Int[Tensor, " b"]],
    alpha_bar: Float[Tensor, " T"],
) -> Float[Tensor, "b *d"]:
    """``ddim_step`` from level to level, with ``score(x_t, t)`` as the noise prediction."""
    for t, s in pairwise(levels):
        x = ddim_step(x, score(x, t), t, s, alpha_bar)
    return x
