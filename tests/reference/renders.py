"""Renders and targets of random numbers."""

import torch

from dream3d.reference.target import Target
from dream3d.types import Image, Render


def render(size: int = 6, seed: int = 0, requires_grad: bool = False) -> Render:
    draw = torch.Generator().manual_seed(seed)
    shape = (1, size, size)
    alpha = 0.2 + 0.7 * torch.rand(*shape, 1, generator=draw, dtype=torch.float64).float()
    colour = alpha * torch.rand(*shape, 3, generator=draw)
    depth = alpha * (1 + torch.rand(*shape, 1, generator=draw))
    normal = alpha * torch.nn.functional.normalize(torch.randn(*shape, 3, generator=draw), dim=-1)
    parts = [part.requires_grad_(requires_grad) for part in (colour, alpha, depth, normal)]
    return Render(Image(parts[0], parts[1]), parts[2], parts[3])


def target(size: int = 6, seed: int = 1) -> Target:
    draw = torch.Generator().manual_seed(seed)
    alpha = (torch.rand(1, size, size, 1, generator=draw) > 0.3).float()
    depth = torch.rand(1, size, size, 1, generator=draw)
    normal = torch.nn.functional.normalize(torch.randn(1, size, size, 3, generator=draw), dim=-1)
    return Target(Image(alpha * torch.rand(1, size, size, 3, generator=draw), alpha), depth, normal)
