"""Renders made by hand for the regularisers."""

import torch
from torch import Tensor

from dream3d.types import Image, Rays, Render, Samples


def scene(
    weights: list[list[float]] | Tensor,
    *,
    normals: Tensor | None = None,
    density: Tensor | None = None,
    step: float = 0.25,
    near: float = 1.0,
) -> Render:
    """One row of rays along -z; ray i has samples of length ``step`` from ``near`` on, with these weights."""
    table = torch.as_tensor(weights, dtype=torch.float64)
    rays, steps = table.shape
    ray = torch.arange(rays).repeat_interleave(steps)
    start = (near + step * torch.arange(steps, dtype=torch.float64)).repeat(rays)
    direction = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64).expand(1, 1, rays, 3)
    alpha = table.sum(1).view(1, 1, rays, 1)
    depth = (table.flatten() * (start + step / 2)).view(rays, steps).sum(1).view(1, 1, rays, 1)
    return Render(
        image=Image(alpha.expand(-1, -1, -1, 3), alpha),
        depth=depth,
        rays=Rays(torch.zeros_like(direction), direction),
        samples=Samples(ray, start, start + step, rays),
        weights=table.flatten(),
        density=density,
        normals=normals,
    )


def picture(alpha: Tensor, depth: Tensor | None = None, normal: Tensor | None = None) -> Render:
    """A render that is only a picture: alpha and depth (and normals), as meshes give it."""
    empty = torch.zeros_like(alpha)
    return Render(Image(alpha.expand(-1, -1, -1, 3), alpha), empty if depth is None else depth, normal)
