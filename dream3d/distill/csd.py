"""Classifier score distillation, arXiv 2310.19415."""

import math

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import alone
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def csd(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    cond: float = 1.0,
    negative: float = 0.0,
    uncond: float = -1.0,
    generative: float = 0.0,
    clip: float = math.inf,
) -> Distilled:
    """CSD, arXiv 2310.19415, the score of the implicit classifier alone:

        grad = w(t) scale (cond eps(y) + negative eps(y_neg) + uncond eps(null) + generative noise).

    The four factors are numbers (or schedules of the step, in a configuration). The defaults give
    ``eps(y) - eps(null)``; moving the -1 from ``uncond`` to ``negative`` gives ``eps(y) - eps(y_neg)``,
    with y_neg from ``text.contrast`` (null where there is none); (s, 0, 1 - s, -1) with scale 1 is SDS.
    """
    x_t = q_sample(x, t, noise, prior.alpha_bar)
    eps = prior.eps(x_t, t, text)
    score = cond * eps.cond + uncond * eps.null + generative * noise
    if negative and text.contrast is not None:
        score = score + negative * prior.eps(x_t, t, alone(text, text.contrast)).cond
    elif negative:
        score = score + negative * eps.null
    grad = weigh(scale * score, weight, prior.alpha_bar, t)
    return distilled(x, grad.clamp(-clip, clip))
