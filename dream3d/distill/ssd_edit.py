"""Stable score distillation for editing, arXiv 2507.09168: three directions anchored in the source."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import alone
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def ssd_edit(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    x_src: Float[Tensor, "b *d"],
    text_src: Conditioning,
    scale: float,
    weight: Weight,
    stable: float = 2.0,
    enhance: float = 7.5,
    pull: float = 0.075,
    clip: float = math.inf,
) -> Distilled:
    """SSD, arXiv 2507.09168, with the factors of its code (github.com/Alex-Zhu1/SSD):

        grad = w(t) (stable/2 (eps(x_t; y_src) - eps(x_src,t; null)) + scale/2 (eps(x_t; y) - eps(x_t; y_src))
                     + enhance (eps(x_t; y) - eps(x_t; null)) + pull exp(t / T) (x_t - x_src,t)),

    the same noise in x_t and x_src,t. The first term keeps the trajectory of the source, the second goes from
    source to target prompt, the third sharpens; the last pulls back to the source, more so at high noise.
    """
    abar = prior.alpha_bar
    x_t, src_t = (q_sample(image, t, noise, abar) for image in (x, x_src))
    eps = prior.eps(x_t, t, text)
    as_source = prior.eps(x_t, t, alone(text, text_src.cond)).cond
    anchor = prior.eps(src_t, t, alone(text, text.null)).cond
    later = torch.exp(t.to(x) / len(abar)).view(-1, *(1,) * (x.ndim - 1))
    grad = 0.5 * stable * (as_source - anchor) + 0.5 * scale * (eps.cond - as_source)
    grad = grad + enhance * (eps.cond - eps.null) + pull * later * (x_t - src_t)
    return distilled(x, weigh(grad, weight, abar, t).clamp(-clip, clip))
