"""What is behind the object. Each is called with (rays, generator) and gives sRGB values (or latent
channels) that broadcast to ``b h w c``; the renderer's premultiplied image goes ``over`` it.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from dream3d.types import Rays

Colour = Float[Tensor, "#b #h #w c"]


class Solid(nn.Module):
    """One constant colour."""

    colour: Tensor

    def __init__(self, *, colour: Sequence[float] = (1.0, 1.0, 1.0)) -> None:
        super().__init__()
        self.register_buffer("colour", torch.tensor([float(c) for c in colour]))

    def forward(self, rays: Rays, generator: Generator | None = None) -> Colour:
        return self.colour.to(rays.direction).view(1, 1, 1, -1)


class RandomColour(nn.Module):
    """A random colour per view, redrawn at every call (uniform in [0, 1]; latents, of which there are other than three,
    are normal): nothing of the object can hide in the background. Without a generator it is the mean."""

    def __init__(self, *, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, rays: Rays, generator: Generator | None = None) -> Colour:
        like = rays.direction
        if generator is None:
            return like.new_full((1, 1, 1, self.channels), 0.5 if self.channels == 3 else 0.0)
        return random_colour(like, self.channels, generator)


def random_colour(like: Float[Tensor, "b h w 3"], channels: int, generator: Generator) -> Colour:
    """``b 1 1 channels`` uniform numbers (normal ones for latents) with the type and device of ``like``."""
    draw = torch.rand if channels == 3 else torch.randn
    return draw((len(like), 1, 1, channels), generator=generator, device=generator.device).to(like, non_blocking=True)


class LearnedColour(nn.Module):
    """One colour, learned: ``sigmoid(parameter)``, of latents (not three numbers) the parameter itself,
    starting at ``colour``."""

    def __init__(self, *, colour: Sequence[float] = (0.5, 0.5, 0.5)) -> None:
        super().__init__()
        start = torch.tensor([float(c) for c in colour])
        self.latent = len(start) != 3
        if not self.latent and not ((start > 0) & (start < 1)).all():
            raise ValueError(f"background colour: got {list(colour)}, expected numbers inside (0, 1)")
        self.logit = nn.Parameter(start if self.latent else torch.logit(start))

    def forward(self, rays: Rays, generator: Generator | None = None) -> Colour:
        colour = self.logit if self.latent else torch.sigmoid(self.logit)
        return colour.view(1, 1, 1, -1)


class Environment(nn.Module):
    """Colour as a small network's function of the ray's direction, an environment map at infinity
    (DreamFusion, arXiv 2209.14988).

    Directions are encoded by ``sin, cos(2^k pi d)``, k < ``frequencies``. With probability
    ``random_share`` a call takes a random colour a view instead: the network cannot learn to draw the
    object. The last layer starts at 0, so the environment starts grey. Latents have no sigmoid.
    """

    def __init__(self, *, channels: int = 3, width: int = 32, frequencies: int = 2, random_share: float = 0.0) -> None:
        super().__init__()
        self.channels, self.frequencies, self.random_share = channels, frequencies, random_share
        last = nn.Linear(width, channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(nn.Linear(3 + 6 * frequencies, width), nn.ReLU(), last)

    def forward(self, rays: Rays, generator: Generator | None = None) -> Colour:
        d = rays.direction
        if generator is not None and self.random_share > 0:
            chosen = torch.rand((), generator=generator, device=generator.device)
            if chosen < self.random_share:
                return random_colour(d, self.channels, generator)
        angles = [d * (math.pi * 2**k) for k in range(self.frequencies)]
        encoded = torch.cat([d, *(f(a) for a in angles for f in (torch.sin, torch.cos))], dim=-1)
        out = self.net(encoded)
        return torch.sigmoid(out) if self.channels == 3 else out
