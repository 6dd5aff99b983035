"""Losses of a render against the reference image: colour, mask, normals. All are means over pixels.

A mean over N values has 2 / N of the gradient of half a sum of squares, which is what a distillation surrogate is.
Those who add both (threestudio, Magic123, RealFusion) do the same, so their ratios of weights carry over.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.reference.target import Target
from dream3d.types import Render


def rgb(render: Render, target: Target, generator: Generator) -> Float[Tensor, ""]:
    """``mean (C - C*)^2`` of premultiplied colours, that is over black; where alpha is wrong ``mask`` says so."""
    return (render.image.colour - target.image.colour).square().mean()


def rgb_l1(render: Render, target: Target, generator: Generator) -> Float[Tensor, ""]:
    """``mean |C - C*|`` over the pixels of the object (NeuralLift-360, arXiv 2211.16431)."""
    away = (render.image.colour - target.image.colour).abs().mean(dim=-1, keepdim=True)
    return (away * target.image.alpha).sum() / target.image.alpha.sum().clamp(min=1)


def mask(render: Render, target: Target, generator: Generator) -> Float[Tensor, ""]:
    """``mean (alpha - alpha*)^2``."""
    return (render.image.alpha - target.image.alpha).square().mean()


def mask_bce(render: Render, target: Target, generator: Generator, *, floor: float = 1e-5) -> Float[Tensor, ""]:
    """Binary cross-entropy of alpha, kept inside [floor, 1 - floor] (Magic123 in threestudio)."""
    alpha = render.image.alpha.clamp(floor, 1 - floor)
    return torch.nn.functional.binary_cross_entropy(alpha, target.image.alpha.clamp(0, 1))


def outside(render: Render, target: Target, generator: Generator) -> Float[Tensor, ""]:
    """Mean alpha where the picture shows background (NeuralLift-360's density outside the mask)."""
    empty = 1 - target.image.alpha
    return (render.image.alpha * empty).sum() / empty.sum().clamp(min=1)


def normals(render: Render, target: Target, generator: Generator) -> Float[Tensor, ""] | None:
    """``mean 1 - cos(n, n*)`` over the object, in world space; None without a normal map."""
    if target.normal is None or render.normal is None:
        return None
    found = torch.nn.functional.normalize(render.normal, dim=-1)
    away = 1 - (found * target.normal).sum(-1, keepdim=True)
    return (away * target.image.alpha).sum() / target.image.alpha.sum().clamp(min=1)
