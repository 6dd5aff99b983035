"""MVDream's distillation by x0 reconstruction, arXiv 2308.16512."""

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import predict_x0, q_sample
from dream3d.distill.guidance import guided, rescaled
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def mvdream(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    rescale: float = 0.5,
    views: int = 1,
) -> Distilled:
    """MVDream, arXiv 2308.16512, Sec. 3.2 (||x - x0_hat||^2 with guidance rescale):

        grad = w(t) (x - x0_hat(x_t)),    x0_hat = (x_t - sigma_t eps_hat) / alpha_t,

    x0_hat's deviation being pulled by ``rescale`` to that of its unguided self, over groups of
    ``views`` images in a row. With rescale 0 and w = alpha_t / sigma_t this is SDS with w = 1.
    """
    x_t = q_sample(x, t, noise, prior.alpha_bar)
    eps = prior.eps(x_t, t, text)
    x0_hat = predict_x0(x_t, guided(eps, scale), t, prior.alpha_bar)
    if rescale:
        x0_cond = predict_x0(x_t, eps.cond, t, prior.alpha_bar)
        x0_hat = rescaled(x0_hat, x0_cond, rescale, views)
    return distilled(x, weigh(x.detach() - x0_hat, weight, prior.alpha_bar, t))
