"""Noise-free score distillation, arXiv 2310.17590."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import alone
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def nfsd(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    threshold: float = 0.2,
    clip: float = math.inf,
) -> Distilled:
    """NFSD, arXiv 2310.17590: the unconditional prediction is a domain correction and noise; only the first stays.

        grad = w(t) (delta_D + scale (eps(y) - eps(null))),
        delta_D = eps(null)               for t < threshold T (there is hardly any noise in it),
                = eps(null) - eps(y_neg)  above (the noise is in both).

    y_neg is ``text.contrast`` (words for flawed pictures); where there is none, null stands in for it.
    """
    x_t = q_sample(x, t, noise, prior.alpha_bar)
    eps = prior.eps(x_t, t, text)
    flawed = eps.null if text.contrast is None else prior.eps(x_t, t, alone(text, text.contrast)).cond
    low = (t < threshold * len(prior.alpha_bar)).view(-1, *(1,) * (x.ndim - 1))
    domain = eps.null - torch.where(low, 0, flawed)
    grad = weigh(domain + scale * (eps.cond - eps.null), weight, prior.alpha_bar, t)
    return distilled(x, grad.clamp(-clip, clip))
