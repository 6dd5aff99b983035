"""``image=cat.png``: a reference image, its camera, and losses of renders from that camera."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypedDict

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.cameras import framing_distance, orbit
from dream3d.reference.framing import Box
from dream3d.reference.target import Target
from dream3d.schedule import Schedule
from dream3d.types import Camera, Normals, Render

FILL = 0.9  # of the frame's height, spanned by the unit ball where no distance is given


@dataclass(frozen=True)
class ReferenceLoss:
    """A loss (render, target, generator), None where the target has nothing for it, and its weight at a step."""

    loss: Callable[[Render, Target, Generator], Tensor | None]
    weight: Schedule


class LossSettings(TypedDict):
    """A ``ReferenceLoss`` as in yaml."""

    loss: Callable[[Render, Target, Generator], Tensor | None]
    weight: Schedule


@dataclass(frozen=True)
class Reference:
    """As in yaml (``conf/image``). Angles in degrees, as there.

    ``fit``: the object is cut out and placed so that it spans ``fill`` of the frame; without, the picture is what the
    camera sees. ``invert``: a prior that knows shapes is told of this one. ``word_steps``: the prompt's
    embedding learns the picture. The losses count at every ``every``-th step,
    at ``size`` pixels (None: the run's).
    """

    file: str | None = None
    mask: str | None = None
    depth: str | None = None
    depth_is: Literal["distance", "disparity"] = "distance"
    normals: str | None = None
    background: Literal["auto", "rembg"] = "auto"
    pose: Literal["given", "auto"] = "given"
    invert: bool = True
    word_steps: int = 0
    word_lr: float | int = 0.005
    azimuth: float | int = 0.0
    elevation: float | int = 10.0
    fov_y: float | int = 40.0
    distance: float | int | None = None
    fit: bool = True
    fill: float | int = 0.75
    every: int = 1
    size: Schedule | int | None = None
    losses: Mapping[str, LossSettings] = field(default_factory=dict)

    def camera(self, size: int) -> Camera:
        """The picture's camera."""
        fov, azimuth, elevation = (torch.tensor([math.radians(a)]) for a in (self.fov_y, self.azimuth, self.elevation))
        far = framing_distance(fov, torch.tensor([FILL])) if self.distance is None else torch.tensor([self.distance])
        return orbit(azimuth, elevation, far.float(), fov, size)

    @property
    def box(self) -> Box:
        """Where the object goes, as far as the settings say."""
        return Box(extent=float(self.fill))


@dataclass(frozen=True)
class PictureView:
    """A ``contracts.ReferenceView`` of one picture."""

    reference: Reference
    target: Target

    @cached_property
    def items(self) -> dict[str, ReferenceLoss]:
        """The losses that the settings name."""
        return {name: ReferenceLoss(**item) for name, item in self.reference.losses.items()}

    @property
    def normals(self) -> Normals:
        return "none" if self.target.normal is None else "finite"

    def camera(self, step: int, size: int) -> Camera | None:
        if step % self.reference.every:
            return None
        own = self.reference.size
        return self.reference.camera(size if own is None else round(own(step)) if isinstance(own, Schedule) else own)

    def losses(self, render: Render, step: int, generator: Generator) -> dict[str, Float[Tensor, ""]]:
        target = self.at(render.image.alpha.shape[1], render.image.alpha.device)
        found = {}
        for name, item in self.items.items():
            weight = item.weight(step)
            if weight and (loss := item.loss(render, target, generator)) is not None:
                found[name] = weight * loss
        return found

    def at(self, size: int, device: torch.device) -> Target:
        """The target at a size, kept for the next step."""
        if (size, device) not in self._sizes:
            self._sizes[size, device] = self.target.resized(size).to(device)
        return self._sizes[size, device]

    @cached_property
    def _sizes(self) -> dict[tuple[int, torch.device], Target]:
        return {}

    def moved(self, reference: Reference) -> "PictureView":
        """The same picture with other settings."""
        return replace(self, reference=reference)
