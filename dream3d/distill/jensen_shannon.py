"""Score distillation by the Jensen-Shannon divergence, arXiv 2503.10660."""

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import predict_x0, q_sample
from dream3d.distill.guidance import guided_eps
from dream3d.distill.sdi import invert
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def jensen_shannon(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    again: float = 1.0,
    inversion_scale: float = -13.5,
    inversion_steps: int = 10,
    eta: float = 0.3,
) -> Distilled:
    """Jensen-Shannon score distillation, arXiv 2503.10660: two targets, each one denoising step away.

    grad = w(t) ((x - a) + again (x - b)),
    a = x0_hat(alpha_t x + sigma_t invert(x, t)),    SDI's target (``distill/sdi.py``),
    b = x0_hat(alpha_t a + sigma_t noise),           that target, noised afresh and denoised again.
    """

    def x0_hat(clean: Tensor, e: Tensor) -> Tensor:
        x_t = q_sample(clean, t, e, prior.alpha_bar)
        return predict_x0(x_t, guided_eps(prior, x_t, t, text, scale), t, prior.alpha_bar)

    found = invert(prior, x, t, noise, text, scale=inversion_scale, steps=inversion_steps, eta=eta)
    a = x0_hat(x, found)
    grad = x.detach() - a
    if again:
        grad = grad + again * (x.detach() - x0_hat(a, noise))
    return distilled(x, weigh(grad, weight, prior.alpha_bar, t))
