"""Pairs of fields and renders for the losses that hold what stays."""

import torch

from dream3d.contracts import Pair
from dream3d.types import Image, Render, Samples


def render_of(colour: torch.Tensor, alpha: torch.Tensor, points: torch.Tensor | None = None) -> Render:
    """Images ``b h w``, with one sample a pixel at ``points`` (``b h w 3``) that weighs alpha."""
    image = Image(colour, alpha[..., None])
    if points is None:
        return Render(image, alpha[..., None])
    n = alpha.numel()
    samples = Samples(torch.arange(n), torch.zeros(n), torch.ones(n), n)
    return Render(image, alpha[..., None], samples=samples, weights=alpha.flatten(), points=points.reshape(-1, 3))


def pair_of(field, source, render: Render | None = None, source_render: Render | None = None) -> Pair:
    blank = render_of(torch.zeros(1, 1, 1, 3), torch.zeros(1, 1, 1))
    return Pair(field, source, render or blank, source_render or blank)
