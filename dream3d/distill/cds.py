"""Consistency distillation sampling: Consistent3D, arXiv 2401.09050."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.ddim import ddim_step
from dream3d.distill.guidance import guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.timesteps import row_generators
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def cds(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    shortest: float = 0.1,
    longest: float = 0.3,
    clip: float = math.inf,
) -> Distilled:
    """CDS of Consistent3D, arXiv 2401.09050: neighbouring points of an ODE trajectory should agree on the clean sample.

        grad = w(t) (eps_hat(x_u; y, u) - eps_hat(x_t; y, t)),    u = t + T U[shortest, longest],

    x_u being x noised and x_t one DDIM step (guided, as both predictions are) down from it. x moves towards the
    prediction of the noisier of the two. The paper's code keeps one noise for the whole run (``noise=fixed``); the
    interval length is drawn from noise and t (``timesteps.row_generators``).
    """
    abar, total = prior.alpha_bar, len(prior.alpha_bar)
    r = torch.stack([torch.rand((), generator=g) for g in row_generators(noise, t)]).to(t.device)
    u = (t + (total * (shortest + r * (longest - shortest))).long()).clamp(max=total - 1)
    x_u = q_sample(x, u, noise, abar)
    eps_u = guided_eps(prior, x_u, u, text, scale)
    x_t = ddim_step(x_u, eps_u, u, t, abar)
    grad = eps_u - guided_eps(prior, x_t, t, text, scale)
    return distilled(x, weigh(grad, weight, abar, t).clamp(-clip, clip))
