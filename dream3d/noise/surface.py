"""Noise that belongs to the surface: what one camera sees of it, every other sees too."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from dream3d.noise.hashed import hashed_normal
from dream3d.noise.image import fixed, samples_of
from dream3d.types import Camera, Render

SIDE = 1 << 20
"""Cells are numbered from -SIDE to SIDE along each axis, 21 bits."""


@dataclass(frozen=True)
class SurfaceNoise:
    """The multi-view consistent noise of consistent flow distillation (CFD, arXiv 2501.05445).

    Space is divided into small cubes, each with a Gaussian of its own. A pixel's noise is the sum over the cubes
    that its part of the surface goes through, over the root of their number; a cube counts for the one pixel in
    whose area its middle is seen. So the noise of an image is unit Gaussian and white, exactly, and two images
    agree as far as their pixels show the same surface. Where nothing opaque is seen it is ``FixedNoise``.
    (CFD spreads the noise over a parametrisation of the surface instead.)

    Args:
        seed: of the noise.
        cell: side of a cube; the object is in the unit ball. A pixel should cover several.
        samples: points looked at along either side of a pixel; they should be no further apart than ``cell``.

    Raises ValueError for a cell outside (2e-6, 1].
    """

    seed: int
    cell: float = 0.015
    samples: int = 4

    def __post_init__(self) -> None:
        if not 2 / SIDE < self.cell <= 1:
            raise ValueError(f"noise.cell: got {self.cell}, expected a length in the unit ball, such as 0.015")

    @torch.no_grad()
    def __call__(
        self, like: Float[Tensor, "b c h w"], render: Render, camera: Camera, generator: Generator
    ) -> Float[Tensor, "b c h w"]:
        """Noise shaped like x, whose rows are the views, each n times in a row."""
        n, (channels, height, width) = samples_of(like, camera), like.shape[1:]
        points, opaque = surface(render, self.samples * height, self.samples * width)
        keys = cell_keys(points, self.cell)
        elsewhere = fixed(self.seed, n, like.shape[1:]).to(like.device).view(n * channels, -1).T
        images = []
        for view in range(len(camera)):
            keys_seen, owner = owners(keys[view], opaque[view], self.samples)
            values = hashed_normal(keys_seen, self.seed, n * channels)
            total = values.new_zeros(height * width, n * channels).index_add_(0, owner, values)
            number = owner.bincount(minlength=height * width)[:, None]
            image = torch.where(number > 0, total / number.clamp(min=1).sqrt(), elsewhere)
            images.append(image.T.reshape(n, channels, height, width))
        return torch.cat(images).to(like)


def surface(render: Render, height: int, width: int) -> tuple[Float[Tensor, "b h w 3"], Bool[Tensor, "b h w"]]:
    """The points seen by the pixels of a finer (or coarser) image, and whether they are opaque.

    Points are interpolated with alpha as their weight, so that what is behind does not pull at the edges.
    Raises ValueError for a render without rays.
    """
    if render.rays is None:
        raise ValueError("noise=surface: got a render without rays, expected that of an opaque object")
    alpha = render.image.alpha
    depth = render.depth / alpha.clamp(min=1e-6)
    points = render.rays.origin + depth * render.rays.direction
    stacked = torch.cat((alpha * points, alpha), dim=-1).permute(0, 3, 1, 2)
    fine = F.interpolate(stacked, size=(height, width), mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    return fine[..., :3] / fine[..., 3:].clamp(min=1e-6), fine[..., 3] > 0.5


def cell_keys(points: Float[Tensor, "*n 3"], cell: float) -> Int[Tensor, "*n"]:
    """The number of each point's cube."""
    x, y, z = ((points / cell).floor().long().clamp(-SIDE, SIDE - 1) + SIDE).unbind(-1)
    return (x << 42) | (y << 21) | z


def owners(
    keys: Int[Tensor, "h w"], opaque: Bool[Tensor, "h w"], samples: int
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """The cubes seen, each once, and the pixel (row by row) in which the middle of what is seen of each lies."""
    row, column = opaque.nonzero(as_tuple=True)
    seen, cube, count = keys[row, column].unique(return_inverse=True, return_counts=True)
    middle = torch.zeros(len(seen), 2, device=keys.device)
    middle.index_add_(0, cube, torch.stack((row, column), dim=1).float() + 0.5)
    pixel = (middle / count[:, None] / samples).long()
    return seen, pixel[:, 0] * (opaque.shape[1] // samples) + pixel[:, 1]
