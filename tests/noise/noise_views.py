"""Views of an opaque ball, without a renderer: depth in closed form."""

import torch

from dream3d.cameras import orbit, pixel_rays
from dream3d.types import Camera, Image, Render

RADIUS, DISTANCE, FOV = 0.7, 3.0, 0.6


def orbiting(*azimuth: float, elevation: float = 0.3, size: int = 32) -> Camera:
    n = len(azimuth)
    full = [torch.full((n,), value) for value in (elevation, DISTANCE, FOV)]
    return orbit(torch.tensor(azimuth), *full, size)


def sphere_render(camera: Camera) -> Render:
    """White ball: alpha 1 where a ray meets it, depth to the nearer crossing."""
    rays = pixel_rays(camera)
    b = (rays.origin * rays.direction).sum(-1, keepdim=True)
    inside = b.square() - rays.origin.square().sum(-1, keepdim=True) + RADIUS**2
    alpha = (inside > 0).float()
    depth = alpha * (-b - inside.clamp(min=0).sqrt())
    return Render(Image(alpha.expand(*alpha.shape[:3], 3), alpha), depth, rays=rays)
