"""The default field and renderer against dense voxels that are sampled everywhere."""

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from bench_timer import interleaved, ratio, timing
from torch import Tensor, nn

from dream3d.cameras import pixel_rays
from dream3d.optimize import Setup
from dream3d.seeding import generator
from dream3d.types import Camera


class DenseVoxels(nn.Module):
    """A grid of raw density and colour; every ray is sampled at every half voxel of the ball's diameter."""

    def __init__(self, size: int = 100) -> None:
        super().__init__()
        self.size = size
        self.grid = nn.Parameter(torch.zeros(1, 4, size, size, size))

    def forward(self, camera: Camera) -> Tensor:
        """Colour and alpha of all pixels, ``r 4``."""
        rays = pixel_rays(camera)
        origin, direction = rays.origin.reshape(-1, 3), rays.direction.reshape(-1, 3)
        half_voxel = 1 / self.size
        count = round(2 / half_voxel)
        distance = camera.distance.mean() - 1 + (torch.arange(count, device=origin.device) + 0.5) * half_voxel
        points = origin[:, None] + distance[:, None] * direction[:, None]
        raw = F.grid_sample(self.grid, points[None, None], align_corners=True)[0, :, 0]
        optical = F.softplus(raw[0]) * half_voxel
        through = torch.exp(-(optical.cumsum(-1) - optical))
        weight = through * (1 - torch.exp(-optical))
        colour = (weight * torch.sigmoid(raw[1:])).sum(-1).T
        return torch.cat((colour, weight.sum(-1)[:, None]), dim=-1)


def against_dense(setup: Setup, rounds: int, voxels: int = 100) -> dict[str, Any]:
    """Rays a second, forward and backward."""
    camera = setup.camera.sample(setup.batch_size, setup.size, generator(0, 1, "camera")).to(setup.device)
    dense = DenseVoxels(voxels).to(setup.device)
    field, renderer = setup.fields[0], setup.renderers[0]

    def ours(number: int) -> None:
        image = renderer(field, camera, generator(0, number, "march")).image
        (image.colour.sum() + image.alpha.sum()).backward()
        field.zero_grad(set_to_none=True)

    def theirs(number: int) -> None:
        dense(camera).sum().backward()
        dense.zero_grad(set_to_none=True)

    times = interleaved({"default field": ours, "dense voxels": theirs}, rounds, warmup=1)
    rays = len(camera) * camera.height * camera.width
    result: dict[str, Any] = {
        name: {**dataclasses.asdict(timing(t)), "rays per second": rays / timing(t).median} for name, t in times.items()
    }
    return {
        **result,
        "rays": rays,
        "voxels a side": voxels,
        "speed": ratio(times["dense voxels"], times["default field"]),
    }
