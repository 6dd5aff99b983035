"""Divides a known light out of colours, so that the texture holds albedo without shading."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

DARKEST = 0.2  # a shade below this is not divided by


@runtime_checkable
class Lit(Protocol):
    """A prior that may know the light in its pictures: (x, y, z, ambient), else None."""

    @property
    def light(self) -> Sequence[float] | None: ...


def shade(normal: Float[Tensor, "n 3"], light: Sequence[float | int]) -> Float[Tensor, " n"]:
    """``ambient + (1 - ambient) n . l`` for unit normals; ``light`` is (x, y, z, ambient), l its unit direction."""
    direction = torch.nn.functional.normalize(torch.tensor(light[:3], dtype=normal.dtype), dim=0)
    return light[3] + (1 - light[3]) * (normal @ direction)


def delit(
    colour: Float[Tensor, "n 3"], normal: Float[Tensor, "n 3"], light: Sequence[float | int] | None
) -> Float[Tensor, "n 3"]:
    """``colour / shade`` in [0, 1], in sRGB values as the light was applied; without a light the colour itself."""
    if light is None:
        return colour
    return (colour / shade(normal, light).clamp(min=DARKEST)[:, None]).clamp(0, 1)
