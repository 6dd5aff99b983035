"""Colour of samples under light: albedo, Lambertian with a point light, textureless; and when to use which.

DreamFusion (arXiv 2209.14988), section 3.1: shading shows geometry to the prior, which would otherwise
be free to paint a shape's details on a flat surface.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from dream3d.types import Camera, Normals, Shading

Shader = Callable[[int, Camera, Generator], tuple[Normals, Shading | None]]
"""(step, camera, generator) -> this step's kind of normals and shading; None is the plain albedo."""


def point_light(
    camera: Camera, generator: Generator, distance: Sequence[float] = (0.8, 1.5), spread: float = 1.0
) -> Float[Tensor, "v 3"]:
    """A light near each camera's direction: ``normalize(position + spread N(0, 1)) * U(distance)``."""
    position = camera.c2w[:, :3, 3]
    where = {"generator": generator, "device": generator.device, "dtype": position.dtype}
    noise = torch.randn(position.shape, **where).to(position.device)
    far = torch.rand((len(position), 1), **where).to(position.device)
    low, high = distance
    return torch.nn.functional.normalize(position + spread * noise, dim=-1) * (low + (high - low) * far)


@dataclass(frozen=True)
class Lambertian:
    """``rho (diffuse max(0, n . (l - mu) / |l - mu|) + ambient)`` with the light of the sample's view."""

    light: Float[Tensor, "v 3"]
    ambient: float = 0.1
    diffuse: float = 0.9

    def __call__(
        self,
        colour: Float[Tensor, "n c"],
        normal: Float[Tensor, "n 3"],
        point: Float[Tensor, "n 3"],
        view: Int[Tensor, " n"],
    ) -> Float[Tensor, "n c"]:
        towards = torch.nn.functional.normalize(self.light[view] - point, dim=-1)
        cosine = (normal * towards).sum(-1, keepdim=True).clamp(min=0)
        return colour * (self.ambient + self.diffuse * cosine)


@dataclass(frozen=True)
class Textureless(Lambertian):
    """Lambertian with a white albedo: the prior sees the shape alone."""

    def __call__(
        self,
        colour: Float[Tensor, "n c"],
        normal: Float[Tensor, "n 3"],
        point: Float[Tensor, "n 3"],
        view: Int[Tensor, " n"],
    ) -> Float[Tensor, "n c"]:
        return super().__call__(torch.ones_like(colour), normal, point, view)


@dataclass(frozen=True)
class Albedo:
    """The field's own colour at every step. ``normals`` other than none are for regularisers."""

    normals: Normals = "none"

    def __call__(self, step: int, camera: Camera, generator: Generator) -> tuple[Normals, None]:
        return self.normals, None


@dataclass(frozen=True)
class DreamFusion:
    """Albedo before step ``start``; then shaded with probability ``shaded``, else albedo.

    A share ``textureless`` of the shaded steps is textureless. With ``soft`` > 0 the ambient light is
    drawn from U(ambient, ambient + soft (1 - ambient)) at each step and diffuse is what is left to 1.
    Normals are found at every step, for the orientation loss.
    """

    normals: Normals = "finite"
    start: int = 2001
    shaded: float = 0.75
    textureless: float = 0.5
    ambient: float = 0.1
    diffuse: float = 0.9
    soft: float = 0.0
    distance: Sequence[float] = (0.8, 1.5)
    spread: float = 1.0

    def __post_init__(self) -> None:
        if self.normals == "none":
            raise ValueError("shading.normals: got none, expected analytic or finite; or use shading=albedo")

    def __call__(self, step: int, camera: Camera, generator: Generator) -> tuple[Normals, Shading | None]:
        # Drawn in every case and first, so that the choice never shifts the rest of the stream.
        shaded, textureless, level = torch.rand(3, generator=generator, device=generator.device).tolist()
        light = point_light(camera, generator, self.distance, self.spread)
        if step < self.start or shaded >= self.shaded:
            return self.normals, None
        ambient, diffuse = self.ambient, self.diffuse
        if self.soft > 0:
            ambient += self.soft * level * (1 - ambient)
            diffuse = 1 - ambient
        kind = Textureless if textureless < self.textureless else Lambertian
        return self.normals, kind(light, ambient, diffuse)


def normal_colour(
    colour: Float[Tensor, "n c"],
    normal: Float[Tensor, "n 3"],
    point: Float[Tensor, "n 3"],
    view: Int[Tensor, " n"],
) -> Float[Tensor, "n 3"]:
    """``(n + 1) / 2``: the normal in the world as a colour."""
    return (normal + 1) / 2


@dataclass(frozen=True)
class NormalPicture:
    """Normals in place of colours, at every step: the prior sees the shape alone (Fantasia3D, arXiv
    2303.13873, section 3.1; ProlificDreamer's second stage)."""

    normals: Normals = "analytic"

    def __post_init__(self) -> None:
        if self.normals == "none":
            raise ValueError("shading.normals: got none, expected analytic or finite; or use shading=albedo")

    def __call__(self, step: int, camera: Camera, generator: Generator) -> tuple[Normals, Shading]:
        return self.normals, normal_colour
