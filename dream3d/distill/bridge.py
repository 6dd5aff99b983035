"""SDS-Bridge, arXiv 2406.09417: distillation as a bridge from the distribution of renders to that of the prompt."""

import math
from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def bridge(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    stage: float = 2.0,
    bridge_scale: float = 1.0,
    clip: float = math.inf,
) -> Distilled:
    """SDS-Bridge, arXiv 2406.09417. Stage 1 is SDS at ``scale``; stage 2 (``stage`` >= 2) is

        grad = w(t) bridge_scale (eps(x_t; y, t) - eps(x_t; y_source, t)),

    y_source describing the current render: the prompt with words for its flaws. It comes from ``text.contrast``;
    without one, null is the source.
    """
    x_t = q_sample(x, t, noise, prior.alpha_bar)
    if stage < 2:
        grad = guided_eps(prior, x_t, t, text, scale) - noise
    else:
        source = text.null if text.contrast is None else text.contrast
        eps = prior.eps(x_t, t, replace(text, null=source, negatives=None, weights=None))
        grad = bridge_scale * (eps.cond - eps.null)
    return distilled(x, weigh(grad, weight, prior.alpha_bar, t).clamp(-clip, clip))
