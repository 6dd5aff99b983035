"""Colour match: the fraction of the object in the colour named by the prompt."""

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.types import Image


def colour_match(image: Image, palette: Float[Tensor, "k 3"], wanted: int) -> float:
    """Fraction of the opaque pixels (alpha > 0.5) whose nearest palette colour is the wanted one.

    Nearest in CIE L*a*b* (CIE76); the palette is sRGB in [0, 1]. 0 where nothing is solid.

    Raises:
        ValueError: no such colour in the palette.
    """
    if not 0 <= wanted < len(palette):
        raise ValueError(f"colour_match: got colour {wanted}, expected an index in [0, {len(palette)})")
    solid = (image.alpha > 0.5).squeeze(-1)
    if not solid.any():
        return 0.0
    straight = (image.colour[solid] / image.alpha[solid]).clamp(0, 1)
    nearest = torch.cdist(lab(straight), lab(palette)).argmin(dim=1)
    return (nearest == wanted).float().mean().item()


def lab(colours: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """CIE L*a*b* of sRGB values."""
    from kornia.color import rgb_to_lab  # takes a second, and few runs need it

    return rgb_to_lab(colours.T[None, :, None, :])[0, :, 0].T
