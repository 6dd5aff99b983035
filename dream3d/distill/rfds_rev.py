"""Rectified-flow distillation with reversed noise: RFDS-Rev, arXiv 2406.03293."""

import math

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import alone, guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def rfds_rev(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    reversals: int = 1,
    clip: float = math.inf,
) -> Distilled:
    """RFDS-Rev, arXiv 2406.03293: SDS whose noise is the prior's own conditional prediction of it.

        grad = w(t) (eps_hat(alpha_t x + sigma_t e; y, t) - e),    e = eps(alpha_t x + sigma_t noise; y, t),

    e being updated ``reversals`` times (3: FlowDreamer's UCM, arXiv 2408.05008; 0 is SDS). The paper
    writes it for the velocity v of rectified flows, ``e = noise + (1 - s) (v + x - noise)``, which is the same.
    """
    only = alone(text, text.cond)
    for _ in range(reversals):
        noise = prior.eps(q_sample(x, t, noise, prior.alpha_bar), t, only).cond
    eps_hat = guided_eps(prior, q_sample(x, t, noise, prior.alpha_bar), t, text, scale)
    return distilled(x, weigh(eps_hat - noise, weight, prior.alpha_bar, t).clamp(-clip, clip))
