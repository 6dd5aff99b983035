"""The target of renders from the reference camera."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.types import Image


@dataclass(frozen=True)
class Target:
    """One view: premultiplied colour and alpha; depth (larger is farther, scale and shift unknown) and unit normals in
    world space, where the user gave them."""

    image: Image
    depth: Float[Tensor, "1 h w 1"] | None = None
    normal: Float[Tensor, "1 h w 3"] | None = None

    def resized(self, size: int) -> "Target":
        """At ``size`` x ``size`` pixels: area averages when smaller, bilinear when larger."""
        if self.image.alpha.shape[1] == size:
            return self
        normal = None if self.normal is None else torch.nn.functional.normalize(scaled(self.normal, size), dim=-1)
        depth = None if self.depth is None else scaled(self.depth, size)
        return Target(Image(scaled(self.image.colour, size), scaled(self.image.alpha, size)), depth, normal)

    def to(self, device: torch.device) -> "Target":
        """On another device."""
        image = Image(self.image.colour.to(device), self.image.alpha.to(device))
        depth, normal = (None if item is None else item.to(device) for item in (self.depth, self.normal))
        return Target(image, depth, normal)


def scaled(pixels: Float[Tensor, "1 h w c"], size: int) -> Float[Tensor, "1 s s c"]:
    """Area averages when smaller, bilinear when larger."""
    mode = "area" if pixels.shape[1] >= size else "bilinear"
    return torch.nn.functional.interpolate(pixels.permute(0, 3, 1, 2), size=(size, size), mode=mode).permute(0, 2, 3, 1)
