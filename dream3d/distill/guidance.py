"""Classifier-free guidance in one convention, ``null + s (cond - null)``, with Perp-Neg and guidance rescale."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.types import Conditioning, NoisePrediction, ScoreModel


def guided(eps: NoisePrediction, scale: float, rescale: float = 0.0) -> Float[Tensor, "b *d"]:
    """``null + scale (delta + perp)`` with ``delta = cond - null`` (arXiv 2207.12598; s = 1: plain cond).

    ``perp`` is Perp-Neg's sum where the set holds negatives, else 0. ``rescale`` > 0 pulls the
    standard deviation back to that of cond (``rescaled``).
    """
    delta = eps.cond - eps.null
    if eps.negatives is not None and eps.weights is not None:
        delta = delta + perp_neg(delta, eps.negatives - eps.null[:, None], eps.weights)
    result = eps.null + scale * delta
    return rescaled(result, eps.cond, rescale) if rescale else result


def guided_eps(
    prior: ScoreModel,
    x_t: Float[Tensor, "b *d"],
    t: Int[Tensor, " b"],
    text: Conditioning,
    scale: float,
    rescale: float = 0.0,
) -> Float[Tensor, "b *d"]:
    """The prior's guided noise prediction. At scale 1 the null cancels, so its rows are not run."""
    if scale == 1 and text.negatives is None:
        text = alone(text, text.cond)
    return guided(prior.eps(x_t, t, text), scale, rescale)


def perp_neg(
    delta: Float[Tensor, "b *d"], negatives: Float[Tensor, "b k *d"], weights: Float[Tensor, "b k"]
) -> Float[Tensor, "b *d"]:
    """Perp-Neg (arXiv 2304.04968): ``sum_i w_i (n_i - <n_i, delta> / <delta, delta> delta)``.

    ``negatives`` are differences to the null prediction; their weights are added, so a negative
    prompt has w < 0. Every image keeps to its own negatives and its own projection.
    """
    main, others = delta.flatten(1)[:, None], negatives.flatten(2)
    tiny = torch.finfo(delta.dtype).tiny
    along = (others * main).sum(-1, keepdim=True) / main.square().sum(-1, keepdim=True).clamp(min=tiny)
    return (weights[..., None].to(delta) * (others - along * main)).sum(1).view_as(delta)


def rescaled(
    result: Float[Tensor, "b *d"], cond: Float[Tensor, "b *d"], share: float, views: int = 1
) -> Float[Tensor, "b *d"]:
    """Guidance rescale (arXiv 2305.08891): a fraction ``share`` of ``result std(cond) / std(result)``.

    Standard deviations are taken over each group of ``views`` images in a row.
    Raises ValueError where the batch does not divide into such groups.
    """
    if len(result) % views:
        raise ValueError(f"views: got a batch of {len(result)}, expected a multiple of {views}; change views")
    spread, target = (y.reshape(len(y) // views, -1).std(dim=1) + 1e-8 for y in (result, cond))
    factor = (target / spread).repeat_interleave(views).view(-1, *(1,) * (result.ndim - 1))
    return (share * factor + 1 - share) * result


def alone(text: Conditioning, embedding: Float[Tensor, "b ..."]) -> Conditioning:
    """The text with one embedding as both cond and null: a prior that gets the same tensor for both runs its network
    only once. The prediction is then ``NoisePrediction.cond``."""
    return replace(text, cond=embedding, null=embedding, negatives=None, weights=None)
