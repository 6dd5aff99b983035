"""Asynchronous score distillation: ScaleDreamer, arXiv 2407.02040."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import alone, guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.timesteps import row_generators
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def asd(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    shift: float = 0.1,
    t_min: float = 0.02,
    clip: float = math.inf,
) -> Distilled:
    """ASD, arXiv 2407.02040: VSD whose student is the prior itself, evaluated at a slightly noisier image:

        grad = w(t) (eps_hat(x_t; y, t) - eps(x_u; y, u)),
        u = t + floor(r shift (t - t_min T)),    r uniform on [0, 1),

    the same noise in both. r is drawn from ``noise`` (``timesteps.row_generators``).
    """
    abar = prior.alpha_bar
    r = torch.stack([torch.rand((), generator=g) for g in row_generators(noise, t)]).to(t.device)
    u = (t + (r * shift * (t - int(t_min * len(abar))).clamp(min=0)).long()).clamp(max=len(abar) - 1)
    eps_hat = guided_eps(prior, q_sample(x, t, noise, abar), t, text, scale)
    reference = prior.eps(q_sample(x, u, noise, abar), u, alone(text, text.cond)).cond
    return distilled(x, weigh(eps_hat - reference, weight, abar, t).clamp(-clip, clip))
