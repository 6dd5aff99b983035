"""What the embedded prior's network is told besides the image: text, time, size, camera; and its Gaussian part."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

CAMERA_SIZE = 17
AZIMUTH_HARMONICS = 6
ELEVATION_HARMONICS = 3
RAY_FEATURES = 12
SIZES = 3


def summary(text: Float[Tensor, "b l e"]) -> Float[Tensor, "b 2*e"]:
    """The last token (the noun, since padding is on the left; it attends to all others) and 3 x the mean."""
    return torch.cat((text[:, -1], 3 * text.mean(dim=1)), dim=-1)


def time_features(t: Float[Tensor, " b"], width: int) -> Float[Tensor, "b width"]:
    """Sinusoids of the timestep, arXiv 2006.11239 (periods up to 10,000 steps)."""
    half = width // 2
    rate = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / half)
    angle = t[:, None] * rate
    return torch.cat((angle.cos(), angle.sin()), dim=-1)


def camera_features(camera: Float[Tensor, "b 17"]) -> Float[Tensor, "b f"]:
    """Harmonics of the view direction, the rotation, framing; and a flag, 0 where no camera is given."""
    given = (camera.abs().sum(dim=-1, keepdim=True) > 0).to(camera.dtype)
    c2w, fov = camera[:, :16].unflatten(-1, (4, 4)), camera[:, 16:]
    position = c2w[:, :3, 3]
    distance = position.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    x, y, z = (position / distance).unbind(-1)
    azimuth, elevation = torch.atan2(x, z), torch.asin(y.clamp(-1, 1))
    k = torch.arange(1, AZIMUTH_HARMONICS + 1, device=camera.device)
    round_y = azimuth[:, None] * k
    fade = elevation.cos()[:, None]  # azimuth means less towards the poles
    up = elevation[:, None] * torch.arange(1, ELEVATION_HARMONICS + 1, device=camera.device)
    size = 1 / (distance * torch.tan(fov / 2).clamp(min=1e-3))
    features = torch.cat(
        (
            round_y.cos() * fade, round_y.sin() * fade,
            round_y[:, :3].cos() * up[:, :1].sin(), round_y[:, :3].sin() * up[:, :1].sin(),
            up.cos(), up.sin(), c2w[:, :3, :3].flatten(1), size, fov, 1 / distance,
        ),
        dim=-1,
    )  # fmt: skip
    return torch.cat((features * given, given), dim=-1)


def size_features(size: int, like: Float[Tensor, "b f"]) -> Float[Tensor, "b 3"]:
    """The image's edge in octaves from 64 pixels: x, sin(pi x), cos(pi x)."""
    octaves = math.log2(size / 64)
    row = like.new_tensor((octaves, math.sin(math.pi * octaves), math.cos(math.pi * octaves)))
    return row.expand(len(like), SIZES)


def patch_rays(camera: Float[Tensor, "b 17"], grid: int) -> Float[Tensor, "b 12 grid grid"]:
    """What each patch looks at: ray direction d, p = o - (o.d) d, sin(pi p), cos(pi p)."""
    given = (camera.abs().sum(dim=-1) > 0).to(camera.dtype)[:, None, None, None]
    c2w, fov = camera[:, :16].unflatten(-1, (4, 4)), camera[:, 16]
    centre = (torch.arange(grid, device=camera.device) + 0.5) / grid * 2 - 1
    tan = torch.tan(fov / 2)[:, None, None]
    x = centre[None, None, :] * tan * torch.ones_like(centre)[None, :, None]
    y = -centre[None, :, None] * tan * torch.ones_like(centre)[None, None, :]
    local = torch.stack((x, y, -torch.ones_like(x)), dim=1)
    direction = F.normalize(torch.einsum("bij,bjhw->bihw", c2w[:, :3, :3], local), dim=1)
    origin = c2w[:, :3, 3, None, None]
    nearest = origin - (origin * direction).sum(1, keepdim=True) * direction
    angle = math.pi * nearest
    return given * torch.cat((direction, nearest, angle.sin(), angle.cos()), dim=1)


def gaussian_v(
    x_t: Float[Tensor, "b 4 h w"], t: Float[Tensor, " b"], painted: Float[Tensor, "b 4 h w"], std: float
) -> Float[Tensor, "b 4 h w"]:
    """The exact v for images N(m, std^2 I) around the painted view m (in [-1, 1]); 0 where nothing is painted.

    With the cosine schedule (arXiv 2102.09672), ``v = sigma (alpha (1 - std^2) x_t - m) / (alpha^2 std^2 + sigma^2)``:
    about -m at high noise, about x_t (1 - std^2) sigma / alpha at low noise.
    """
    angle = ((t + 1) / 1000 + 0.008) / 1.008 * (math.pi / 2)
    alpha, sigma = angle.cos().clamp(min=0)[:, None, None, None], angle.sin()[:, None, None, None]
    mean = 2 * painted.float() - 1
    v = sigma * (alpha * (1 - std**2) * x_t.float() - mean) / (alpha.square() * std**2 + sigma.square())
    return v * (painted.flatten(1).amax(1) > 0).to(v.dtype)[:, None, None, None]
