"""Score distillation via inversion, arXiv 2405.15891."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import FLOOR, alpha_sigma, predict_x0, q_sample
from dream3d.distill.ddim import ddim_step
from dream3d.distill.guidance import guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.timesteps import row_generators
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def sdi(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    inversion_scale: float = -7.5,
    inversion_steps: int = 10,
    eta: float = 0.3,
) -> Distilled:
    """SDI, arXiv 2405.15891: SDS with noise from DDIM inversion of x, for consistency between steps.

        grad = w(t) (x - x0_hat(x_t)),    x_t = alpha_t x + sigma_t invert(x, t),

    with x0_hat at ``scale`` and the inversion at ``inversion_scale``. ``noise`` only seeds the
    inversion's own randomness (``timesteps.row_generators``).
    """
    found = invert(prior, x, t, noise, text, scale=inversion_scale, steps=inversion_steps, eta=eta)
    x_t = q_sample(x, t, found, prior.alpha_bar)
    x0_hat = predict_x0(x_t, guided_eps(prior, x_t, t, text, scale), t, prior.alpha_bar)
    return distilled(x, weigh(x.detach() - x0_hat, weight, prior.alpha_bar, t))


def invert(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    steps: int,
    eta: float,
) -> Float[Tensor, "b *d"]:
    """The noise obtained from x by DDIM inversion: levels 0, T/steps, 2 T/steps ... below t, then t + a random
    part of T/steps; every step adds ``eta`` of DDPM's posterior deviation. Each image has its own t."""
    abar, last = prior.alpha_bar, len(prior.alpha_bar) - 1
    gap, generators = len(abar) / steps, row_generators(noise, t)
    shift = torch.stack([torch.rand((), generator=g) for g in generators]).to(t.device)
    end = (t + (gap * shift).long()).clamp(max=last)
    passes = max(1, math.ceil(int(t.max()) / gap))
    extra = torch.stack([torch.randn(steps, *x.shape[1:], generator=g) for g in generators]).to(x)
    x_u, u = x.detach(), torch.zeros_like(t)
    for k in range(passes):
        rung = torch.full_like(t, int(gap * (k + 1)))
        v = torch.where(rung < t, rung, end)
        x_u = ddim_step(x_u, guided_eps(prior, x_u, u, text, scale), u, v, abar)
        low, high = abar[u], abar[v]
        deviation = ((1 - low) / (1 - high).clamp(min=FLOOR**2) * (1 - high / low)).clamp(min=0).sqrt()
        x_u, u = x_u + eta * deviation.to(x).view(-1, *(1,) * (x.ndim - 1)) * extra[:, k], v
    alpha, sigma = alpha_sigma(abar, end, x)
    return (x_u - alpha * x.detach()) / sigma.clamp(min=FLOOR)
