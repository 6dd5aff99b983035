"""HiFA, arXiv 2305.18766: SDS and the same residual in image space."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.contracts import Decodes
from dream3d.diffusion import FLOOR, alpha_sigma, predict_x0, q_sample
from dream3d.distill.guidance import guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def hifa(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    image_weight: float = 0.01,
) -> Distilled:
    """HiFA, arXiv 2305.18766, with x0_hat from one denoising step:

        grad = w(t) (alpha_t / sigma_t) d/dx (||x - x0_hat||^2 + image_weight ||D(x) - D(x0_hat)||^2) / 2.

    The first term is a form of SDS. D is the prior's ``decode`` if it has one, else the identity; the decoder is not
    run if ``image_weight`` is 0.
    """
    x_t = q_sample(x, t, noise, prior.alpha_bar)
    eps_hat = guided_eps(prior, x_t, t, text, scale)
    grad = eps_hat - noise
    if image_weight and isinstance(prior, Decodes):
        alpha, sigma = alpha_sigma(prior.alpha_bar, t, x)
        x0_hat = predict_x0(x_t, eps_hat, t, prior.alpha_bar)
        grad = grad + image_weight * alpha / sigma.clamp(min=FLOOR) * image_residual(prior, x, x0_hat)
    elif image_weight:
        grad = (1 + image_weight) * grad
    return distilled(x, weigh(grad, weight, prior.alpha_bar, t))


def image_residual(prior: Decodes, x: Float[Tensor, "b *d"], x0_hat: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
    """``J_D(x)^T (D(x) - D(x0_hat))``: the gradient of half the squared distance of the images."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        image = prior.decode(leaf)
    with torch.no_grad():
        residual = image - prior.decode(x0_hat)
    return torch.autograd.grad(image, leaf, residual)[0]
