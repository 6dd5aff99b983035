"""Fields whose colours are a VAE's latents, and their conversion to RGB.

Latent-NeRF (arXiv 2211.07600, Sec. 3.1 and 3.3) and SJC (arXiv 2212.00774) render latents, so that no VAE
runs in a step. An affine map takes latents to RGB (``priors/latent_rgb.py`` fits it to the prior's VAE):
previews and meshes go through it, and refinement in RGB starts from it and trains it on.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.contracts import TrainableField


class Latents(nn.Module):
    """Raw colours as they are; with ``rgb`` on, ``[raw, 1] to_rgb``. Checkpoints know whether it is on."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.to_rgb = nn.Parameter(torch.zeros(channels + 1, 3))
        self.rgb = False

    def forward(self, raw: Float[Tensor, "n c"]) -> Float[Tensor, "n d"]:
        return raw @ self.to_rgb[:-1] + self.to_rgb[-1] if self.rgb else raw

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.rgb)

    def set_extra_state(self, state: Tensor) -> None:
        self.rgb = bool(state)


class Rgb(nn.Module):
    """Three raw colours through a sigmoid."""

    def forward(self, raw: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        return torch.sigmoid(raw)


def colours(channels: int) -> Rgb | Latents:
    """What raw colours go through: three are RGB, any other number are latents, unbounded."""
    return Rgb() if channels == 3 else Latents(channels)


def latents_of(field: nn.Module | TrainableField) -> list[Latents]:
    """Where a field makes its latents; empty for a field of RGB."""
    return [module for module in field.modules() if isinstance(module, Latents)]


def switch(field: nn.Module | TrainableField, rgb: bool) -> None:
    """Switch the field's colours to RGB (or back to latents)."""
    for latents in latents_of(field):
        latents.rgb = rgb


@contextmanager
def in_rgb(field: nn.Module | TrainableField) -> Iterator[None]:
    """Context in which the field's colours are RGB."""
    before = [(latents, latents.rgb) for latents in latents_of(field)]
    switch(field, True)
    try:
        yield
    finally:
        for latents, rgb in before:
            latents.rgb = rgb
