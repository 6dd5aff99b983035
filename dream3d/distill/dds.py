"""Delta denoising score, arXiv 2304.07090: distillation for editing."""

import math

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import guided_eps
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def dds(
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
    clip: float = math.inf,
) -> Distilled:
    """DDS, arXiv 2304.07090, Eq. 3: the SDS gradient minus that of the source, which needs no edit.

        grad = w(t) (eps_hat(x_t; y, t) - eps_hat(x_src,t; y_src, t)),

    x (the edit) and ``x_src`` (the source, rendered from the same cameras) with the same noise and t. It is 0
    if both images and both texts are equal, for any prior: no edit, no drift.
    """
    eps_hat, eps_src = (
        guided_eps(prior, q_sample(image, t, noise, prior.alpha_bar), t, words, scale)
        for image, words in ((x, text), (x_src, text_src))
    )
    return distilled(x, weigh(eps_hat - eps_src, weight, prior.alpha_bar, t).clamp(-clip, clip))
