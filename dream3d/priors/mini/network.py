"""The network of the embedded prior: a small text- and camera-conditioned UNet on RGBA images of 64 to 128 pixels.

It is called like diffusers' ``UNet2DConditionModel`` (sample, timestep, encoder_hidden_states,
class_labels) and saved like it, so that the adapter which loads Stable Diffusion loads it too.
``class_labels`` carries the camera, ``(b, 17)``: the flattened camera-to-world matrix and the
vertical field of view in radians; all zeros means "no camera given".

What makes it learn fast for its size:

* RGBA enters through a fixed orthogonal 4x4 space-to-depth, so the widest grid of 64 pixels is 16x16.
* The camera enters twice: harmonics of the view direction join text and time in the embedding
  that scales and shifts every block, and every patch sees its own ray (direction, the ray's point
  nearest to the origin), so that "where am I looking" need not be inferred.
* ``painted``: what the text means from that camera, rendered from a latent shape (``latents.py``, ``painting.py``).
  The network predicts only the residual to the exact v for Gaussian images around that view: at high noise the
  best answer depends on text and camera alone. Renderings that condition a 2D denoiser: GeNVS, arXiv 2304.02602.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.priors.mini import quantized
from dream3d.priors.mini.features import (
    CAMERA_SIZE,
    RAY_FEATURES,
    SIZES,
    camera_features,
    gaussian_v,
    patch_rays,
    size_features,
    summary,
    time_features,
)

WEIGHTS = "diffusion_pytorch_model.safetensors"


def channels_last(network: nn.Module) -> nn.Module:
    """The same network with its 2D convolutions in the memory order that CPUs and tensor cores prefer."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network


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


@dataclass
class MiniOutput(BaseOutput):
    """What ``MiniUNet`` returns, as diffusers' UNets do (their own class takes seconds to import)."""

    sample: Tensor  # (b, 4, h, w)


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
        spread: standard deviation of images around the painted view, in units of [-1, 1] (``gaussian_v``).
        fade: timesteps between which the residual to a painted view fades from all to nothing: at high noise the
            Gaussian answer is the better one (figures in the model card). Without a painted view it is always whole.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        in_channels: int = 4,
        patch: int = 4,
        channels: Sequence[int] = (96, 160, 224),
        down_blocks: Sequence[int] = (1, 1, 1),
        up_blocks: Sequence[int] = (2, 2, 1),
        heads: Sequence[int] = (0, 4, 4),
        embedding: int = 512,
        text_width: int = 256,
        spread: float = 0.1,
        fade: Sequence[float] = (600.0, 800.0),
    ) -> None:
        super().__init__()
        c1, c2, c3 = channels
        pixels = in_channels * patch * patch
        camera_width = camera_features(torch.zeros(1, CAMERA_SIZE)).shape[1]
        self.conv_in = nn.Conv2d(2 * pixels + RAY_FEATURES, c1, 3, padding=1)
        self.embed_in = nn.Linear(128 + 2 * text_width + camera_width + SIZES, embedding)
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

    def save_pretrained(self, folder: str | Path) -> None:
        """config.json and the weights as int8 (``quantized.py``), in diffusers' layout."""
        self.save_config(folder)
        quantized.save(self.state_dict(), Path(folder) / WEIGHTS)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        torch_dtype: torch.dtype = torch.float32,
        variant: str | None = None,
        local_files_only: bool = True,
    ) -> "MiniUNet":
        """The network of a folder, in ``torch_dtype``. There are no variants, and nothing is fetched."""
        config: Any = cls.load_config(folder, local_files_only=True)
        network: Any = cls.from_config(config)
        network.load_state_dict(quantized.load(Path(folder) / WEIGHTS, torch_dtype))
        return network.to(torch_dtype)

    def condition(
        self, t: Float[Tensor, " b"], text: Float[Tensor, "b l e"], camera: Float[Tensor, "b 17"], size: int
    ) -> Float[Tensor, "b f"]:
        """Time, text, camera and image size, mixed by an MLP."""
        seen = camera_features(camera)
        parts = (time_features(t, 128), summary(text), seen, size_features(size, seen))
        emb = self.embed_in(torch.cat(parts, dim=-1).to(self.embed_in.weight.dtype))
        for layer in self.embed_mid:
            emb = emb + layer(F.silu(emb))
        return F.silu(emb)

    def forward(
        self,
        sample: Float[Tensor, "b c h w"],
        timestep: Tensor,
        encoder_hidden_states: Float[Tensor, "b l e"],
        class_labels: Float[Tensor, "b 17"] | None = None,
        painted: Float[Tensor, "b 4 h w"] | None = None,
        return_dict: bool = True,
    ) -> MiniOutput | tuple[Tensor]:
        """v-prediction for ``sample`` at ``timestep`` (scalar or (b,)), shaped like ``sample``.

        ``painted``: premultiplied RGBA in [0, 1]; all zeros (or None) where nothing is painted.
        """
        b = sample.shape[0]
        t = torch.as_tensor(timestep, device=sample.device).float().expand(b)
        camera = sample.new_zeros(b, CAMERA_SIZE, dtype=torch.float32) if class_labels is None else class_labels
        camera = camera.float()
        emb = self.condition(t, encoder_hidden_states, camera, sample.shape[-1])
        if painted is None:
            painted = torch.zeros_like(sample)
        config: Any = self.config
        patch: int = config.patch
        x = F.pixel_unshuffle(sample, patch)
        rays = patch_rays(camera, x.shape[-1]).to(x.dtype)
        x = torch.cat((x, rays, F.pixel_unshuffle(painted, patch).to(x.dtype)), dim=1)
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
        first, last = config.fade
        shown = painted.flatten(1).amax(1)[:, None, None, None] > 0
        part = ((last - t) / (last - first)).clamp(0, 1)[:, None, None, None].to(v.dtype)
        v = torch.where(shown, part * v, v) + gaussian_v(sample, t, painted, config.spread).to(v.dtype)
        return MiniOutput(sample=v) if return_dict else (v,)
