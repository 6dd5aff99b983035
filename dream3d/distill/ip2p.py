"""SDS from an image-editing prior: InstructPix2Pix, arXiv 2211.09800, guided by image and text."""

import math
from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.guidance import alone
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def ip2p(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    image_scale: float = 1.5,
    clip: float = math.inf,
) -> Distilled:
    """SDS with the two guidance scales of InstructPix2Pix: ``grad = w(t) (guided_by_both - noise)``."""
    eps = guided_by_both(prior, q_sample(x, t, noise, prior.alpha_bar), t, text, scale, image_scale)
    return distilled(x, weigh(eps - noise, weight, prior.alpha_bar, t).clamp(-clip, clip))


def guided_by_both(
    prior: ScoreModel,
    x_t: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    text: Conditioning,
    scale: float,
    image_scale: float,
) -> Float[Tensor, "b *d"]:
    """InstructPix2Pix, arXiv 2211.09800, Eq. 3, image (``text.control``, the picture to edit) and instruction:

        e_null + s_I (e_image - e_null) + s_T (e_both - e_image).

    ``Conditioning.null`` is the empty instruction, an absent ``control`` the absent image. At
    s_I = s_T = 1 it is e_both.
    """
    shown = prior.eps(x_t, t, text)
    bare = prior.eps(x_t, t, replace(alone(text, text.null), control=None)).cond
    return bare + image_scale * (shown.null - bare) + scale * (shown.cond - shown.null)
