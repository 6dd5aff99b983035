"""Posterior distillation sampling, arXiv 2311.13831: editing that preserves the source's stochastic latents."""

import math

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import FLOOR, alpha_sigma, predict_x0, q_sample
from dream3d.distill.guidance import guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def pds(
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
    stride: int = 2,
    clip: float = math.inf,
) -> Distilled:
    """PDS, arXiv 2311.13831: the stochastic latents z of edit and source should agree.

        grad = w(t) (z - z_src),    z = (x_u - mu(x_t, eps_hat)) / s_t,    u = t - stride,
        mu = sqrt(abar_u) beta_t / (1 - abar_t) x0_hat + sqrt(1 - beta_t) (1 - abar_u) / (1 - abar_t) x_t,
        s_t^2 = beta_t (1 - abar_u) / (1 - abar_t),    beta_t = 1 - abar_t / abar_{t-1},

    with the same noise in x_t and x_src,t, and another in x_u and x_src,u, of which nothing is left. As in its
    code, beta_t belongs to one timestep although u is ``stride`` away: that is where its pull towards the source,
    proportional to x - x_src, comes from. At stride 1 the pull is 0 and PDS is DDS with another weight.
    """
    abar = prior.alpha_bar
    t = t.clamp(min=stride + 1)
    alpha, sigma = alpha_sigma(abar, t, x)
    alpha_u, sigma_u = alpha_sigma(abar, t - stride, x)
    before, _ = alpha_sigma(abar, t - 1, x)
    kept = alpha / before.clamp(min=FLOOR)  # sqrt(1 - beta_t)
    beta = (1 - kept**2).clamp(min=FLOOR**2)
    deviation = beta.sqrt() * sigma_u / sigma

    def latent(image: Tensor, words: Conditioning) -> Tensor:
        x_t = q_sample(image, t, noise, abar)
        x0_hat = predict_x0(x_t, guided_eps(prior, x_t, t, words, scale), t, abar)
        mean = alpha_u * beta / sigma**2 * x0_hat + kept * (sigma_u / sigma) ** 2 * x_t
        return (alpha_u * image.detach() - mean) / deviation

    grad = latent(x, text) - latent(x_src, text_src)
    return distilled(x, weigh(grad, weight, abar, t).clamp(-clip, clip))
