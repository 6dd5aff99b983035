"""Formulas shared by all diffusion models: noising, and conversion between noise and clean-sample predictions.

Variance-preserving throughout: ``alpha_t = sqrt(alpha_bar_t)``, ``sigma_t = sqrt(1 - alpha_bar_t)``.
"""

from jaxtyping import Float, Int
from torch import Tensor

FLOOR = 1e-4
"""Smallest divisor: schedules that end in pure noise have alpha = 0 there, where x0 is undetermined."""


def alpha_sigma(
    alpha_bar: Float[Tensor, " T"], t: Int[Tensor, " b"], like: Float[Tensor, "b *d"]
) -> tuple[Float[Tensor, "b *ones"], Float[Tensor, "b *ones"]]:
    """``sqrt(alpha_bar_t)`` and ``sqrt(1 - alpha_bar_t)``, shaped to multiply ``like``."""
    value = alpha_bar[t].view(-1, *(1,) * (like.ndim - 1))
    return value.sqrt().to(like), (1 - value).sqrt().to(like)


def q_sample(
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    alpha_bar: Float[Tensor, " T"],
) -> Float[Tensor, "b *d"]:
    """``x_t = sqrt(alpha_bar_t) x + sqrt(1 - alpha_bar_t) noise`` (arXiv 2006.11239, Eq. 4), detached."""
    alpha, sigma = alpha_sigma(alpha_bar, t, x)
    return alpha * x.detach() + sigma * noise


def predict_x0(
    x_t: Float[Tensor, "b *d"],
    eps: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    alpha_bar: Float[Tensor, " T"],
) -> Float[Tensor, "b *d"]:
    """``(x_t - sigma_t eps) / alpha_t`` (Eq. 9)."""
    alpha, sigma = alpha_sigma(alpha_bar, t, x_t)
    return (x_t - sigma * eps) / alpha.clamp(min=FLOOR)
