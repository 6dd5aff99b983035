"""Colour saturation and opacity of renders: oversaturation and haze are typical failures of distillation."""

from dataclasses import dataclass

import kornia.color
import torch

from dream3d.types import Image


@dataclass(frozen=True)
class Opacity:
    """Over all pixels: ``mean`` alpha; ``covered``, the fraction with alpha > 0.5; ``fog`` (haze), that of
    semi-transparent pixels (0.05 < alpha < 0.95); ``empty``, the fraction of views in
    which nothing is covered."""

    mean: float
    covered: float
    fog: float
    empty: float


def saturation(image: Image) -> float:
    """Mean HSV saturation ``1 - min/max`` of the straight colour where alpha > 0.5; 0 if it is nowhere.

    A premultiplied colour has the saturation of its straight one, but black has none at all.
    """
    solid = (image.alpha > 0.5).squeeze(-1)
    if not solid.any():
        return 0.0
    straight = (image.colour[solid] / image.alpha[solid]).clamp(0, 1)
    hsv = kornia.color.rgb_to_hsv(straight.T[None, :, None, :])
    return hsv[:, 1].mean().item()


def opacity(image: Image) -> Opacity:
    """Statistics of alpha."""
    alpha = image.alpha
    solid = alpha > 0.5
    fog = (alpha > 0.05) & (alpha < 0.95)
    empty = ~solid.flatten(1).any(dim=1)
    return Opacity(*(torch.as_tensor(x).float().mean().item() for x in (alpha, solid, fog, empty)))
