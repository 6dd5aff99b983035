"""Noise that belongs to the direction of view: crops of one map of the world."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.noise.image import samples_of
from dream3d.seeding import generator as seeded
from dream3d.types import Camera, Render


@dataclass(frozen=True)
class WorldNoise:
    """The world-map noise of flow score distillation (FSD, arXiv 2405.10988).

    One map of unit Gaussians is wrapped round the object; a view sees the crop at its azimuth and elevation, so
    that neighbouring views have the same noise, moved as the front of a turning object moves, and one view
    always has the same. Every pixel reads a texel of its own: the noise of an image is white, exactly.

    Args:
        seed: of the map.
        turns: length of the map's equator in widths of the image, at least 1. The further the surface is from
            the axis and the narrower the field of view, the longer: ``2 pi r focal / (distance width)``.

    Raises ValueError for ``turns`` < 1 (an image would then see a texel twice).
    """

    seed: int
    turns: float = 2.0

    def __post_init__(self) -> None:
        if self.turns < 1:
            raise ValueError(f"noise.turns: got {self.turns}, expected at least 1 width of the image")

    def __call__(
        self, like: Float[Tensor, "b c h w"], render: Render, camera: Camera, generator: Generator
    ) -> Float[Tensor, "b c h w"]:
        """Noise shaped like x, whose rows are the views, each n times in a row."""
        n, (channels, height, width) = samples_of(like, camera), like.shape[1:]
        around = round(self.turns * width)
        shape = (channels, height + around // 2, around)  # from pole to pole is half a turn
        maps = torch.stack([torch.randn(shape, generator=seeded(self.seed, i, "world noise")) for i in range(n)])
        per_radian = around / (2 * math.pi)
        right = (camera.azimuth * per_radian).round().long().tolist()
        down = ((math.pi / 2 - camera.elevation) * per_radian).round().long().clamp(0, around // 2).tolist()
        columns = torch.arange(width)
        crops = [
            maps[:, :, v : v + height][..., (columns + u) % around] for u, v in zip(right, down, strict=True)
        ]  # each n c h w
        return torch.cat(crops).to(like)
