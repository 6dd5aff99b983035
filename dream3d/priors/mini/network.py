"""The network of the embedded prior: a small text- and camera-conditioned UNet on RGBA images.

It is called like diffusers' ``UNet2DConditionModel`` (sample, timestep, encoder_hidden_states,
class_labels) and saved like it, so that the adapter which loads Stable Diffusion loads it too.
``class_labels`` carries the camera, ``(b, 17)``: the flattened camera-to-world matrix and the
vertical field of view in radians; all zeros means "no camera given".

Three things make it learn fast for its size (docs/LOG.md has the measurements):

* 64x64 RGBA enters through a fixed orthogonal 4x4 space-to-depth, so the widest grid is 16x16.
* The camera enters twice: harmonics of the view direction join text and time in the embedding
  that scales and shifts every block, and every patch sees its own ray (direction, the ray's point
  nearest to the origin), so that "where am I looking" need not be inferred.
* The text alone makes a coarse coloured volume that is rendered at the camera and shown to the UNet
  (``template.py``): at high noise the best answer depends on text and camera alone, and a volume
  learns "this thing, seen from there" from few views. The network predicts what is missing to the exact
  answer for Gaussian pictures round the template.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.priors.mini.template import PAINTED, Template, summary

CAMERA_SIZE = 17
AZIMUTH_HARMONICS = 6
ELEVATION_HARMONICS = 3
RAY_FEATURES = 12
SPREAD = 0.25  # of pictures round the template, in units of [-1, 1]


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


def channels_last(network: nn.Module) -> nn.Module:
    """The same network with its 2D convolutions in the memory order that CPUs and tensor cores prefer."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network


def gaussian_v(
    x_t: Float[Tensor, "b 4 h w"],
    t: Float[Tensor, " b"],
    painted: Float[Tensor, "b 4 p p"],
    camera: Float[Tensor, "b 17"],
) -> Float[Tensor, "b 4 h w"]:
    """The exact v if pictures were N(m, s^2 I) round the template m; the network only adds what is missing.

    With the cosine schedule, ``v = sigma (alpha (1 - s^2) x_t - m) / (alpha^2 s^2 + sigma^2)``.
    At high noise this is the template itself, at low noise x_t; without a camera it is left out.
    """
    angle = ((t + 1) / 1000 + 0.008) / 1.008 * (math.pi / 2)
    alpha, sigma = angle.cos().clamp(min=0)[:, None, None, None], angle.sin()[:, None, None, None]
    mean = 2 * F.interpolate(painted.float(), size=x_t.shape[-2:], mode="bilinear") - 1
    v = sigma * (alpha * (1 - SPREAD**2) * x_t.float() - mean) / (alpha.square() * SPREAD**2 + sigma.square())
    return v * (camera.abs().sum(dim=1) > 0).to(v.dtype)[:, None, None, None]


class ResBlock(nn.Module):
    """Two 3x3 convolutions; the embedding scales and shifts the second norm (arXiv 2105.05233)."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(channels // 16, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * channels)
        self.norm2 = nn.GroupNorm(channels // 16, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Float[Tensor, "b c h w"], emb: Float[Tensor, "b e"]) -> Float[Tensor, "b c h w"]:
        scale, shift = self.modulation(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.norm2(h) * (1 + scale) + shift
        return x + self.conv2(F.silu(h))


class Attention(nn.Module):
    """Self-attention over the grid whose keys also include the text tokens (as in arXiv 2205.11487)."""

    def __init__(self, channels: int, text: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(channels // 16, channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.text_kv = nn.Linear(text, 2 * channels)
        self.to_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def forward(self, x: Float[Tensor, "b c h w"], text: Float[Tensor, "b l e"]) -> Float[Tensor, "b c h w"]:
        b, c, h, w = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        text_k, text_v = self.text_kv(text).chunk(2, dim=-1)
        q = self.to_q(tokens)
        k = torch.cat((self.to_k(tokens), text_k), dim=1)
        v = torch.cat((self.to_v(tokens), text_v), dim=1)
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.to_out(out).transpose(1, 2).reshape(b, c, h, w)


class Level(nn.Module):
    """Residual blocks at one resolution, with attention after each where ``heads`` > 0."""

    def __init__(self, channels: int, blocks: int, embedding: int, text: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResBlock(channels, embedding) for _ in range(blocks))
        self.attention = Attention(channels, text, heads) if heads else None

    def forward(
        self, x: Float[Tensor, "b c h w"], emb: Float[Tensor, "b e"], text: Float[Tensor, "b l t"]
    ) -> Float[Tensor, "b c h w"]:
        for block in self.blocks:
            x = block(x, emb)
        return x if self.attention is None else self.attention(x, text)


class MiniUNet(ModelMixin, ConfigMixin):
    """Predicts v (arXiv 2202.00512) from a noisy RGBA image in [-1, 1].

    Args:
        sample_size: height and width of the images; a multiple of 4 * ``patch``.
        patch: edge of the space-to-depth patches.
        channels: width at the full, half and quarter grid.
        down_blocks, up_blocks: residual blocks per level on the way down and up.
        heads: attention heads per level (0: none).
        embedding: width of the conditioning embedding.
        text_width: width of the text encoder's hidden states.
        volume: channels of the template's volume at its 4, 8 and 16 cells a side.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        in_channels: int = 4,
        patch: int = 4,
        channels: Sequence[int] = (128, 256, 256),
        down_blocks: Sequence[int] = (1, 2, 2),
        up_blocks: Sequence[int] = (2, 3, 1),
        heads: Sequence[int] = (0, 4, 4),
        embedding: int = 512,
        text_width: int = 256,
        volume: Sequence[int] = (48, 32, 16),
    ) -> None:
        super().__init__()
        c1, c2, c3 = channels
        pixels = in_channels * patch * patch
        camera_width = camera_features(torch.zeros(1, CAMERA_SIZE)).shape[1]
        self.template = Template(text_width, volume)
        self.conv_in = nn.Conv2d(pixels + RAY_FEATURES + 4 * PAINTED, c1, 3, padding=1)
        self.embed_in = nn.Linear(128 + 2 * text_width + camera_width, embedding)
        self.embed_mid = nn.ModuleList(nn.Linear(embedding, embedding) for _ in range(2))

        def level(i: int, blocks: int) -> Level:
            return Level(channels[i], blocks, embedding, text_width, heads[i])

        self.encoder = nn.ModuleList(level(i, n) for i, n in enumerate(down_blocks))
        self.decoder = nn.ModuleList(level(i, n) for i, n in enumerate(up_blocks))
        self.shrink = nn.ModuleList((nn.Conv2d(c1, c2, 2, stride=2), nn.Conv2d(c2, c3, 2, stride=2)))
        self.grow = nn.ModuleList((nn.Conv2d(c2, c1, 1), nn.Conv2d(c3, c2, 1)))
        self.join = nn.ModuleList((nn.Conv2d(c1, c1, 1), nn.Conv2d(c2, c2, 1)))
        self.norm_out = nn.GroupNorm(c1 // 16, c1)
        self.conv_out = nn.Conv2d(c1, pixels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # pyright: ignore[reportArgumentType]

    def condition(
        self, t: Float[Tensor, " b"], text: Float[Tensor, "b l e"], camera: Float[Tensor, "b 17"]
    ) -> Float[Tensor, "b f"]:
        """Time, text and camera, mixed by an MLP."""
        parts = (time_features(t, 128), summary(text), camera_features(camera))
        emb = self.embed_in(torch.cat(parts, dim=-1).to(self.embed_in.weight.dtype))
        for layer in self.embed_mid:
            emb = emb + layer(F.silu(emb))
        return F.silu(emb)

    def paint(self, text: Float[Tensor, "b l e"], camera: Float[Tensor, "b 17"]) -> Float[Tensor, "b 5 p p"]:
        """The template at the camera, at twice the patch grid; zeros where no camera is given."""
        config: Any = self.config
        size = 2 * config.sample_size // config.patch
        # Views of one prompt share its volume (rows are equal in runs).
        new = torch.ones(len(text), dtype=torch.bool, device=text.device)
        new[1:] = (text[1:] != text[:-1]).flatten(1).any(dim=1)
        volume, inverse = self.template(text[new]), new.cumsum(0) - 1
        rays = patch_rays(camera.float(), size)
        painted = self.template.render(volume, inverse, rays[:, :3], camera.float())
        return painted * (camera.abs().sum(dim=1) > 0).to(painted.dtype)[:, None, None, None]

    def forward(
        self,
        sample: Float[Tensor, "b c h w"],
        timestep: Tensor,
        encoder_hidden_states: Float[Tensor, "b l e"],
        class_labels: Float[Tensor, "b 17"] | None = None,
        painted: Float[Tensor, "b 5 p p"] | None = None,
        return_dict: bool = True,
    ) -> UNet2DConditionOutput | tuple[Tensor]:
        """v-prediction for ``sample`` at ``timestep`` (scalar or (b,)), shaped like ``sample``.

        ``painted`` is what ``paint`` returns for the same text and camera, where it is known already.
        """
        b = sample.shape[0]
        t = torch.as_tensor(timestep, device=sample.device).float().expand(b)
        camera = sample.new_zeros(b, CAMERA_SIZE, dtype=torch.float32) if class_labels is None else class_labels
        camera = camera.float()
        emb = self.condition(t, encoder_hidden_states, camera)
        if painted is None:
            painted = self.paint(encoder_hidden_states, camera)
        patch: int = self.config.patch  # pyright: ignore[reportAttributeAccessIssue]
        x = F.pixel_unshuffle(sample, patch)
        rays = patch_rays(camera, x.shape[-1]).to(x.dtype)
        x = torch.cat((x, rays, F.pixel_unshuffle(painted, 2).to(x.dtype)), dim=1)
        x = self.conv_in(x.to(memory_format=torch.channels_last))
        text = encoder_hidden_states.to(emb.dtype)
        fine = self.encoder[0](x, emb, text)
        half = self.encoder[1](self.shrink[0](fine), emb, text)
        x = self.encoder[2](self.shrink[1](half), emb, text)
        x = self.decoder[2](x, emb, text)
        x = F.interpolate(self.grow[1](x), scale_factor=2.0, mode="nearest") + self.join[1](half)
        x = self.decoder[1](x, emb, text)
        x = F.interpolate(self.grow[0](x), scale_factor=2.0, mode="nearest") + self.join[0](fine)
        x = self.decoder[0](x, emb, text)
        v = F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(x))), patch)
        v = v + gaussian_v(sample, t, painted[:, :4], camera).to(v.dtype)
        return UNet2DConditionOutput(sample=v) if return_dict else (v,)
