"""Probability-flow distillation, arXiv 2605.09071."""

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import predict_x0, q_sample
from dream3d.distill.ddim import ddim_walk
from dream3d.distill.guidance import guided_eps
from dream3d.distill.sdi import invert
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def pfd(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    denoise_steps: int = 4,
    inversion_scale: float = 0.0,
    inversion_steps: int = 10,
    eta: float = 0.0,
) -> Distilled:
    """PFD, arXiv 2605.09071: SDI (``distill/sdi.py``) whose target is found along the ODE, not in one step.

        grad = w(t) (x - Phi(alpha_t x + sigma_t invert(x, t))),

    Phi being ``denoise_steps`` DDIM steps at ``scale``, equally long, from t to the clean sample; 1 is SDI.
    """
    found = invert(prior, x, t, noise, text, scale=inversion_scale, steps=inversion_steps, eta=eta)
    target = denoise(prior, q_sample(x, t, found, prior.alpha_bar), t, text, scale=scale, steps=denoise_steps)
    return distilled(x, weigh(x.detach() - target, weight, prior.alpha_bar, t))


def denoise(
    prior: ScoreModel,
    x_t: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    text: Conditioning,
    *,
    scale: float,
    steps: int,
) -> Float[Tensor, "b *d"]:
    """The clean sample at the end of the ODE (DDIM without randomness), each image from its own t."""

    def score(x_u: Tensor, u: Tensor) -> Tensor:
        return guided_eps(prior, x_u, u, text, scale)

    levels = [t * (steps - k) // steps for k in range(steps)]
    x_u = ddim_walk(score, x_t, levels, prior.alpha_bar)
    return predict_x0(x_u, score(x_u, levels[-1]), levels[-1], prior.alpha_bar)
