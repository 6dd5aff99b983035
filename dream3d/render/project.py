"""World to pixels, and pixels to rays: a pinhole camera both ways, differentiable in the points."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.types import Camera


def project(points: Float[Tensor, "n 3"], camera: Camera) -> tuple[Float[Tensor, "v n 2"], Float[Tensor, "v n"]]:
    """Pixel coordinates (x to the right, y down, centres at whole numbers plus a half) in every view, and
    depth along the viewing axis (> 0 in front of the camera)."""
    rotation, origin = camera.c2w[:, :3, :3], camera.c2w[:, None, :3, 3]
    local = (points[None] - origin) @ rotation
    depth = -local[..., 2]
    scale = camera.height / (2 * torch.tan(camera.fov_y / 2))[:, None]
    x = camera.width / 2 + scale * local[..., 0] / depth
    y = camera.height / 2 - scale * local[..., 1] / depth
    return torch.stack((x, y), dim=-1), depth


def directions(
    pixel: Float[Tensor, "n 2"], view: Int[Tensor, " n"], camera: Camera
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Unit world directions of rays through pixel coordinates, and distance along each a unit of depth."""
    scale = (2 * torch.tan(camera.fov_y / 2) / camera.height)[view]
    x = (pixel[:, 0] - camera.width / 2) * scale
    y = (camera.height / 2 - pixel[:, 1]) * scale
    local = torch.stack((x, y, -torch.ones_like(x)), dim=-1)
    length = local.norm(dim=-1)
    world = torch.einsum("nij,nj->ni", camera.c2w[view, :3, :3], local / length[:, None])
    return world, length
