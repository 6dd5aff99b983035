"""Noise that belongs to the image: drawn anew at every step, or once for the whole run."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.seeding import generator as seeded
from dream3d.types import Camera, Render


@dataclass(frozen=True)
class FreshNoise:
    """Independent unit Gaussians for every step, view and sample: what all losses but a few are written for."""

    def __call__(
        self, like: Float[Tensor, "b *d"], render: Render, camera: Camera, generator: Generator
    ) -> Float[Tensor, "b *d"]:
        """Noise shaped like x, whose rows are the views, each n times in a row."""
        return torch.randn(like.shape, generator=generator).to(like)


@dataclass(frozen=True)
class FixedNoise:
    """One image of unit Gaussians for the whole run and every view (Consistent3D's code, arXiv 2401.09050).

    The n samples of a view have n different images.
    """

    seed: int

    def __call__(
        self, like: Float[Tensor, "b *d"], render: Render, camera: Camera, generator: Generator
    ) -> Float[Tensor, "b *d"]:
        """Noise shaped like x, whose rows are the views, each n times in a row."""
        images = fixed(self.seed, samples_of(like, camera), like.shape[1:]).to(like)
        return images.repeat(len(camera), *(1,) * (like.ndim - 1))


def samples_of(like: Float[Tensor, "b *d"], camera: Camera) -> int:
    """How many rows in a row belong to a view. Raises ValueError where the views do not divide the rows."""
    if len(like) % len(camera):
        raise ValueError(f"noise: got {len(like)} rows for {len(camera)} views, expected a multiple of the views")
    return len(like) // len(camera)


def fixed(seed: int, samples: int, shape: torch.Size) -> Float[Tensor, "n *d"]:
    """n images of unit Gaussians; the i-th is the same whatever n is."""
    return torch.stack([torch.randn(shape, generator=seeded(seed, i, "fixed noise")) for i in range(samples)])
