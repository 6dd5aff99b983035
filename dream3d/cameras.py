"""Cameras on an orbit: sampling, look-at matrices, pixel rays, turntables.

Conventions are those of ``types.py``: azimuth 0 on +z, growing towards +x; elevation up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.types import Camera, Rays

Range = Sequence[float | int]


def spherical(
    azimuth: Float[Tensor, " v"], elevation: Float[Tensor, " v"], distance: Float[Tensor, " v"]
) -> Float[Tensor, "v 3"]:
    """Position on the orbit: ``d (cos e sin a, sin e, cos e cos a)``."""
    horizontal = distance * elevation.cos()
    return torch.stack((horizontal * azimuth.sin(), distance * elevation.sin(), horizontal * azimuth.cos()), dim=-1)


def look_at(
    position: Float[Tensor, "v 3"], target: Float[Tensor, "v 3"], up: Float[Tensor, "v 3"]
) -> Float[Tensor, "v 4 4"]:
    """Camera-to-world matrices: columns right, up, backward, position."""
    backward = torch.nn.functional.normalize(position - target, dim=-1)
    right = torch.linalg.cross(up, backward)
    # Straight from above or below `up` is parallel to the view: fall back to +z (or -z) as "up".
    degenerate = right.norm(dim=-1, keepdim=True) < 1e-6
    spare = torch.zeros_like(up)
    spare[:, 2] = -backward[:, 1].sign()
    right = torch.where(degenerate, torch.linalg.cross(spare, backward), right)
    right = torch.nn.functional.normalize(right, dim=-1)
    true_up = torch.linalg.cross(backward, right)
    c2w = torch.zeros(len(position), 4, 4, dtype=position.dtype, device=position.device)
    c2w[:, :3] = torch.stack((right, true_up, backward, position), dim=-1)
    c2w[:, 3, 3] = 1
    return c2w


def orbit(
    azimuth: Float[Tensor, " v"],
    elevation: Float[Tensor, " v"],
    distance: Float[Tensor, " v"],
    fov_y: Float[Tensor, " v"],
    size: int,
) -> Camera:
    """Square cameras at the given angles (radians), looking at the origin with +y up."""
    position = spherical(azimuth, elevation, distance)
    up = torch.tensor([[0.0, 1.0, 0.0]], dtype=position.dtype).expand_as(position)
    c2w = look_at(position, torch.zeros_like(position), up)
    return Camera(c2w, fov_y, azimuth, elevation, distance, height=size, width=size)


def framing_distance(fov_y: Float[Tensor, " v"], fill: Float[Tensor, " v"]) -> Float[Tensor, " v"]:
    """The distance at which the unit ball spans ``fill`` of the image height.

    The ball's silhouette cone has half-angle asin(1/d), so ``1/d = sin(atan(fill tan(fov/2)))``.
    """
    return 1 / torch.sin(torch.atan(fill * torch.tan(fov_y / 2)))


@lru_cache(maxsize=16)
def _plane(width: int, height: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "hw 3"]:
    """Pixel centres at distance 1 in front of a camera whose view is 2 by 2."""
    x = (torch.arange(width, dtype=dtype, device=device) + 0.5) / width * 2 - 1
    y = 1 - (torch.arange(height, dtype=dtype, device=device) + 0.5) / height * 2
    return torch.stack((x.expand(height, -1), y[:, None].expand(-1, width), -x.new_ones(height, width)), -1).flatten(
        0, 1
    )


def pixel_rays(camera: Camera) -> Rays:
    """Unit-length world rays through pixel centres."""
    tan = torch.tan(camera.fov_y / 2)
    scale = torch.stack((tan * (camera.width / camera.height), tan, torch.ones_like(tan)), dim=1)
    local = _plane(camera.width, camera.height, tan.dtype, tan.device) * scale[:, None]
    rotation, origin = camera.c2w[:, :3, :3], camera.c2w[:, :3, 3]
    world = (local @ rotation.mT).unflatten(1, (camera.height, camera.width))
    direction = torch.nn.functional.normalize(world, dim=-1)
    return Rays(origin[:, None, None].expand_as(direction), direction)


def turntable(views: int, elevation: float, distance: float, fov_y: float, size: int) -> Camera:
    """``views`` cameras evenly spaced around the object, starting at its front. Angles in radians."""
    azimuth = torch.arange(views) * (2 * math.pi / views)
    return orbit(
        azimuth,
        torch.full((views,), elevation),
        torch.full((views,), distance),
        torch.full((views,), fov_y),
        size,
    )


def _uniform(low_high: Range, n: int, generator: Generator) -> Float[Tensor, " n"]:
    low, high = low_high
    return low + (high - low) * torch.rand(n, generator=generator)


@dataclass(frozen=True)
class Orbit:
    """Random cameras around the object. Angles in degrees here (yaml), in radians afterwards.

    Azimuth is stratified over the batch: v views fall into v equal sectors of ``azimuth``.
    A fraction ``sphere`` of the elevations is uniform in area (on the sphere), the rest uniform in
    angle. With ``distance=None`` the unit ball fills a fraction of the image height drawn from
    ``fill``. Jitter moves position (uniform), target and up (Gaussian), as threestudio does.
    """

    azimuth: Range = (-180.0, 180.0)
    elevation: Range = (-20.0, 80.0)
    fov_y: Range = (30.0, 50.0)
    distance: Range | None = None
    fill: Range = (0.8, 0.95)
    sphere: float | int = 0.5
    position_jitter: float | int = 0.0
    target_jitter: float | int = 0.0
    up_jitter: float | int = 0.0

    def __post_init__(self) -> None:
        ranges = {"azimuth": self.azimuth, "elevation": self.elevation, "fov_y": self.fov_y, "fill": self.fill}
        for name, given in {**ranges, **({} if self.distance is None else {"distance": self.distance})}.items():
            if len(given) != 2:
                raise ValueError(f"camera.{name}: got {list(given)}, expected [low, high]")
            low, high = given
            if low > high:
                raise ValueError(f"camera.{name}: got [{low}, {high}], expected low <= high; swap them")
        if not (0 < self.fov_y[0] and self.fov_y[1] < 180):
            raise ValueError(f"camera.fov_y: got {list(self.fov_y)}, expected degrees inside (0, 180)")
        if self.distance is not None and self.distance[0] <= 0:
            raise ValueError(f"camera.distance: got {list(self.distance)}, expected > 0")

    def sample(self, views: int, size: int, generator: Generator) -> Camera:
        """Draw ``views`` cameras of ``size`` x ``size`` pixels."""
        low, high = (math.radians(a) for a in self.azimuth)
        sector = (torch.arange(views) + torch.rand(views, generator=generator)) / views
        azimuth = low + (high - low) * sector
        elevation = self._elevation(views, generator)
        fov_y = torch.deg2rad(_uniform(self.fov_y, views, generator))
        if self.distance is None:
            distance = framing_distance(fov_y, _uniform(self.fill, views, generator))
        else:
            distance = _uniform(self.distance, views, generator)
        camera = orbit(azimuth, elevation, distance, fov_y, size)
        if self.position_jitter or self.target_jitter or self.up_jitter:
            return self._jittered(camera, generator)
        return camera

    def _elevation(self, views: int, generator: Generator) -> Float[Tensor, " v"]:
        low, high = (math.radians(a) for a in self.elevation)
        u = torch.rand(views, generator=generator)
        in_angle = low + (high - low) * u
        in_area = torch.asin((math.sin(low) + (math.sin(high) - math.sin(low)) * u).clamp(-1, 1))
        return torch.where(torch.rand(views, generator=generator) < self.sphere, in_area, in_angle)

    def _jittered(self, camera: Camera, generator: Generator) -> Camera:
        v = len(camera)
        position = camera.c2w[:, :3, 3]
        position = position + self.position_jitter * (2 * torch.rand(v, 3, generator=generator) - 1)
        target = self.target_jitter * torch.randn(v, 3, generator=generator)
        up = torch.tensor([0.0, 1.0, 0.0]) + self.up_jitter * torch.randn(v, 3, generator=generator)
        c2w = look_at(position, target, up)
        return Camera(c2w, camera.fov_y, camera.azimuth, camera.elevation, camera.distance, camera.height, camera.width)


def repeated(camera: Camera, n: int) -> Camera:
    """Each view n times in a row, as ``repeat_interleave`` does with images."""
    index = torch.arange(len(camera)).repeat_interleave(n)
    return camera[index]


def flatten(camera: Camera) -> Float[Tensor, "v 17"]:
    """Input of camera-conditioned priors: the flattened c2w, then fov_y."""
    return torch.cat((camera.c2w.flatten(1), camera.fov_y[:, None]), dim=1)


def unflatten(flat: Float[Tensor, "v 17"], size: int) -> Camera:
    """The inverse of ``flatten``; angles and distance are computed from the position."""
    c2w = flat[:, :16].unflatten(1, (4, 4))
    position = c2w[:, :3, 3]
    distance = position.norm(dim=-1)
    azimuth = torch.atan2(position[:, 0], position[:, 2])
    elevation = torch.asin((position[:, 1] / distance).clamp(-1, 1))
    return Camera(c2w, flat[:, 16], azimuth, elevation, distance, height=size, width=size)
