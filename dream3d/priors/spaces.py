"""From a rendered image to the x of a prior, and back: RGBA pixels, RGB pixels, or latents of a VAE.

Premultiplied colour and alpha are resized, never straight colour, so that edges stay clean.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.errors import UserError
from dream3d.priors.loading.components import Components
from dream3d.priors.parts import Component, by_name
from dream3d.types import Image

FLUX_SAMPLE_SIZE = 128  # latents a side; its configuration does not say


@runtime_checkable
class Space(Protocol):
    """Where a prior's x lives; ``size`` is the height and width in pixels of the images it takes."""

    @property
    def size(self) -> int:
        """Height and width in pixels of the images it takes."""
        ...

    @property
    def channels(self) -> int: ...

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w c"], generator: Generator | None
    ) -> Float[Tensor, "b d y x"]: ...

    def decode(self, x: Float[Tensor, "b d y x"]) -> Float[Tensor, "b h w c"]: ...


def resized(pixels: Float[Tensor, "b c h w"], size: int) -> Float[Tensor, "b c y x"]:
    """To ``size`` x ``size``: area averages when smaller, bilinear when larger, untouched when equal."""
    h, w = pixels.shape[-2:]
    if h == w == size:
        return pixels
    if h >= size and w >= size:
        return F.interpolate(pixels, size=size, mode="area")
    return F.interpolate(pixels, size=size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Rgba:
    """``2 [premultiplied colour, alpha] - 1``; the background is not seen."""

    size: int

    @property
    def channels(self) -> int:
        return 4

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w c"], generator: Generator | None
    ) -> Float[Tensor, "b 4 y x"]:
        rgba = torch.cat((image.colour, image.alpha), dim=-1).permute(0, 3, 1, 2)
        return 2 * resized(rgba, self.size) - 1

    def decode(self, x: Float[Tensor, "b 4 y x"]) -> Float[Tensor, "b h w 4"]:
        return (x / 2 + 0.5).permute(0, 2, 3, 1)


@dataclass(frozen=True)
class Rgb:
    """``2 (image over background) - 1``."""

    size: int

    @property
    def channels(self) -> int:
        return 3

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w c"], generator: Generator | None
    ) -> Float[Tensor, "b 3 y x"]:
        return 2 * resized(image.over(background).permute(0, 3, 1, 2), self.size) - 1

    def decode(self, x: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b h w 3"]:
        return (x / 2 + 0.5).permute(0, 2, 3, 1)


@dataclass(frozen=True)
class Latent:
    """``scale (z - shift)`` of the VAE's posterior at the image over the background (arXiv 2112.10752).

    ``posterior`` is "mean", or "sample" (what most public SDS code does; it adds noise to x and needs
    a Generator). An image whose colour already has the latent channels (fields in latent space,
    arXiv 2211.07600) is composited and resized, and the VAE is left alone. An AutoencoderTiny (TAESD) has no
    posterior: its latents are exact, whichever is asked for.
    """

    vae: Component
    size: int
    posterior: Literal["mean", "sample"]

    @property
    def channels(self) -> int:
        return self.vae.config.latent_channels

    @property
    def factor(self) -> int:
        """Pixels a latent, per side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def scale(self) -> float:
        """Factor from the VAE's latents to the network's x."""
        return self.vae.config.scaling_factor

    @property
    def shift(self) -> float:
        """Subtracted from the VAE's latents before scaling; 0 for most VAEs."""
        shift: Any = by_name(self.vae.config, "shift_factor")
        return shift or 0.0

    @torch.no_grad()
    def shown(self, picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d y x"]:
        """A picture in [0, 1] as InstructPix2Pix is shown it: the posterior's mode, neither shifted nor scaled."""
        return self.vae.encode((2 * picture - 1).to(self.vae.dtype)).latent_dist.mode().float()

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w c"], generator: Generator | None
    ) -> Float[Tensor, "b d y x"]:
        pixels = image.over(background).permute(0, 3, 1, 2)
        if pixels.shape[1] == self.channels:
            return resized(pixels, self.size // self.factor)
        pixels = 2 * resized(pixels, self.size) - 1
        mean, std = self.moments(pixels)
        if self.posterior == "sample" and std is not None:
            if generator is None:
                raise ValueError("encode: posterior is 'sample' but got no generator; pass one, or use posterior=mean")
            draw = torch.randn(mean.shape, generator=generator, device=generator.device)
            mean = mean + std * draw.to(mean)
        return self.scale * (mean - self.shift)

    def moments(
        self, pixels: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b d y x"], Float[Tensor, "b d y x"] | None]:
        """Mean and standard deviation of the posterior at pixels in [-1, 1]; None where latents have no spread."""
        found = self.vae.encode(pixels.to(self.vae.dtype))
        latents = by_name(found, "latents")
        if latents is not None:
            return latents.float(), None
        return found.latent_dist.mean.float(), found.latent_dist.std.float()

    def decode(self, x: Float[Tensor, "b d y x"]) -> Float[Tensor, "b h w 3"]:
        z = x / self.scale + self.shift
        return (self.vae.decode(z.to(self.vae.dtype)).sample.float() / 2 + 0.5).permute(0, 2, 3, 1)


def space_of(parts: Components, resolution: int | None, posterior: Literal["mean", "sample"]) -> Space:
    """The space of x, whose channels an editing model's network takes twice (InstructPix2Pix). Raises UserError when
    the network does not take it (inpainting models)."""
    sample = parts.network.config.get("sample_size", FLUX_SAMPLE_SIZE)
    own = sample if isinstance(sample, int) else sample[0]
    channels = parts.network.config.in_channels
    if parts.vae is None:
        space = Rgba(resolution or own) if channels == 4 else Rgb(resolution or own)
    else:
        space = Latent(parts.vae, 0, posterior)
        space = Latent(parts.vae, resolution or own * space.factor, posterior)
        if space.size % (2 * space.factor):
            raise UserError(f"prior.resolution: got {space.size}, expected a multiple of {2 * space.factor}")
    wanted = space.channels * (4 if type(parts.network).__name__.startswith("Flux") else 1)
    edits = isinstance(space, Latent) and channels == 2 * wanted == 2 * parts.network.config.get("out_channels", 0)
    if channels != wanted and not edits:
        raise UserError(
            f"prior: got a network with {channels} input channels, expected {wanted}; "
            "use a text-to-image or InstructPix2Pix folder, not one for inpainting or upscaling"
        )
    if edits and type(parts.vae).__name__ == "AutoencoderTiny":
        raise UserError("prior.vae: got a folder with an editing model, whose pictures only its own VAE encodes")
    return space
