"""Score Jacobian chaining, arXiv 2212.00774: SDS seen from the variance-exploding side."""

import math

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import FLOOR, alpha_sigma
from dream3d.distill.guidance import guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def sjc(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    clip: float = math.inf,
) -> Distilled:
    """SJC, arXiv 2212.00774, Eq. 16 (the variance-reduced estimator): with ``z = x + s noise``,

        grad = w(t) (x - D(z, s)) / s,    D(z, s) = z - s eps_hat,    s = sigma_t / alpha_t.

    The paper's score ``(D - x) / s^2`` times s, as in its code. With the same w this is SDS: the two
    differ only in the usual w, 1 here and sigma_t^2 there. Several noises are averaged by the caller,
    who repeats x. ``clip`` is that of ``sds``.
    """
    _, s, denoised = _denoise(prior, x, t, noise, text, scale=scale)
    return distilled(x, weigh((x.detach() - denoised) / s, weight, prior.alpha_bar, t).clamp(-clip, clip))


def sjc_raw(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    clip: float = math.inf,
) -> Distilled:
    """SJC, arXiv 2212.00774, Eq. 15: ``grad = w(t) (z - D(z, s)) / s``; ``sjc`` in expectation, noisier."""
    z, s, denoised = _denoise(prior, x, t, noise, text, scale=scale)
    return distilled(x, weigh((z - denoised) / s, weight, prior.alpha_bar, t).clamp(-clip, clip))


def _denoise(
    prior: ScoreModel, x: Tensor, t: Tensor, noise: Tensor, text: Conditioning, *, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """z, s and D(z, s); the network sees ``z / sqrt(1 + s^2)``, which is x_t."""
    alpha, sigma = alpha_sigma(prior.alpha_bar, t, x)
    s = (sigma / alpha.clamp(min=FLOOR)).clamp(min=FLOOR)
    z = x.detach() + s * noise
    eps_hat = guided_eps(prior, z / (1 + s**2).sqrt(), t, text, scale)
    return z, s, z - s * eps_hat
