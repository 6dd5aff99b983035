"""Interval score matching: LucidDreamer, arXiv 2311.11284."""

import math

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.ddim import ddim_step, ddim_walk
from dream3d.distill.guidance import alone, guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def ism(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    interval: float = 80.0,
    stride: int = 200,
    inversion_steps: int = 5,
    clip: float = math.inf,
) -> Distilled:
    """ISM, arXiv 2311.11284, with s = t - interval:

        grad = w(t) (eps_hat(x_t; y, t) - eps(x_s; null, s)).

    x_s and x_t come from x by DDIM inversion under the null prompt: from level max(0, s - stride
    inversion_steps), where the noise enters, in strides to s, then in one step to t. Intervals and
    strides are in timesteps.
    """
    abar, null = prior.alpha_bar, alone(text, text.null)

    def score(x_u: Tensor, u: Tensor) -> Tensor:
        return prior.eps(x_u, u, null).cond

    s = (t - int(interval)).clamp(min=0)
    start = (s - stride * inversion_steps).clamp(min=0)
    passes = min(inversion_steps, math.ceil(int(s.max()) / stride))
    levels = [start.add(stride * k).minimum(s) for k in range(passes + 1)]
    x_s = ddim_walk(score, q_sample(x, start, noise, abar), levels, abar)
    eps_s = score(x_s, s)
    x_t = ddim_step(x_s, eps_s, s, t, abar)
    eps_hat = guided_eps(prior, x_t, t, text, scale)
    return distilled(x, weigh(eps_hat - eps_s, weight, abar, t).clamp(-clip, clip))
