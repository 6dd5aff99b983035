"""Balanced score distillation: PlacidDreamer, arXiv 2407.13976."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.diffusion import q_sample
from dream3d.distill.surrogate import distilled
from dream3d.distill.weight import Weight, weigh
from dream3d.types import Conditioning, Distilled, ScoreModel


def balanced(
    prior: ScoreModel,
    x: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    noise: Float[Tensor, "b *d"],
    text: Conditioning,
    *,
    scale: float,
    weight: Weight,
    clip: float = math.inf,
) -> Distilled:
    """BSD, arXiv 2407.13976: the classifier's and the generator's direction, neither at the other's expense.

        grad = w(t) (a d1 + (1 - a) d2),    d1 = scale (eps(y) - eps(null)),    d2 = eps(null),

    with a in [0, 1], one an image, such that the sum is as short as can be: the multiple-gradient descent of
    two objectives, whose direction is a descent for both (``min_norm``).
    """
    eps = prior.eps(q_sample(x, t, noise, prior.alpha_bar), t, text)
    grad = min_norm(scale * (eps.cond - eps.null), eps.null)
    return distilled(x, weigh(grad, weight, prior.alpha_bar, t).clamp(-clip, clip))


def min_norm(first: Float[Tensor, "b *d"], second: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
    """The point of each segment that is nearest to 0: ``a = clip(<d2 - d1, d2> / ||d2 - d1||^2, 0, 1)``."""
    apart = (second - first).flatten(1)
    tiny = torch.finfo(apart.dtype).tiny
    share = (apart * second.flatten(1)).sum(1) / apart.square().sum(1).clamp(min=tiny)
    share = share.clamp(0, 1).view(-1, *(1,) * (first.ndim - 1))
    return share * first + (1 - share) * second
