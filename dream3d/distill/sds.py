"""Score distillation sampling: DreamFusion, arXiv 2209.14988."""

import math

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def sds(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    rescale: float = 0.0,
    clip: float = math.inf,
) -> Distilled:
    """SDS, arXiv 2209.14988, Eq. 3:

        grad = w(t) (eps_hat(x_t; y, t) - noise),    x_t = alpha_t x + sigma_t noise,
        eps_hat = eps(null) + scale (eps(y) - eps(null)).

    ``rescale`` is that of ``guidance.rescaled``. ``clip`` bounds every element of the gradient, best
    with a growing schedule (D-SDS, arXiv 2303.15413); infinite: no bound.
    """
    x_t = q_sample(x, t, noise, prior.alpha_bar)
    eps_hat = guided_eps(prior, x_t, t, text, scale, rescale)
    grad = weigh(eps_hat - noise, weight, prior.alpha_bar, t)
    return distilled(x, grad.clamp(-clip, clip))
