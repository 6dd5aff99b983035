"""sRGB values and linear light (IEC 61966-2-1)."""

import torch
from torch import Tensor


def linear(value: Tensor) -> Tensor:
    """sRGB values to linear light."""
    return torch.where(value <= 0.04045, value / 12.92, ((value.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def srgb(light: Tensor) -> Tensor:
    """Linear light to sRGB values; the gradient is finite at black."""
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)
