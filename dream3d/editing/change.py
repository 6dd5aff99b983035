"""What an edit changed, in figures: how much of the volume, and colours inside and outside its region."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dream3d.editing.region import lattice
from dream3d.metrics.colour_name import lab
from dream3d.metrics.iou import volume_iou
from dream3d.types import Field, Surface

CHUNK = 65536
NOTICED = 5.0  # CIE76 distance from which a colour counts as changed; 2.3 is just noticeable side by side


@dataclass(frozen=True)
class Change:
    """``iou`` of the volumes; ``changed``: the share of their union that is in one alone, or on the surface of both in
    another colour; mean CIE76 distances of colours on that surface inside and outside the region (None: no such
    place); ``region``: the share of the cube [-1, 1]^3 that the region takes."""

    iou: float
    changed: float
    colour_inside: float | None
    colour_outside: float | None
    region: float


@torch.no_grad()
def change(now: Field, before: Field, region: Float[Tensor, "z y x"], isovalue: float, vertices: int = 64) -> Change:
    """Both fields on a lattice; solid is what is denser than ``isovalue``. ``region`` has any number of vertices."""
    points = lattice(vertices).to(region.device)
    grown, were = sampled(now, points), sampled(before, points)
    solid, was = (s.density.view(points.shape[:3]) > isovalue for s in (grown, were))
    surface = (solid & was) & ~(eroded(solid) & eroded(was))
    distance = torch.zeros(solid.shape, device=solid.device)
    shown = surface.flatten()
    distance[surface] = (lab(grown.colour[shown, :3].clamp(0, 1)) - lab(were.colour[shown, :3].clamp(0, 1))).norm(
        dim=-1
    )
    mask = torch.nn.functional.interpolate(region[None, None], (vertices,) * 3, mode="trilinear", align_corners=True)
    inside = mask[0, 0] > 0
    union = solid | was
    changed = (solid != was) | (surface & (distance > NOTICED))
    return Change(
        iou=volume_iou(solid, was),
        changed=float(changed.sum() / union.sum().clamp(min=1)),
        colour_inside=mean_over(distance, surface & inside),
        colour_outside=mean_over(distance, surface & ~inside),
        region=float(region.mean()),
    )


def sampled(field: Field, points: Float[Tensor, "z y x 3"]) -> Surface:
    """The field at all points, some at a time."""
    parts = list(pieces(field, points.reshape(-1, 3)))
    return Surface(torch.cat([p.density for p in parts]), torch.cat([p.colour for p in parts]))


def pieces(field: Field, points: Float[Tensor, "n 3"]) -> Iterator[Surface]:
    """The field at many points, a chunk at a time."""
    for part in points.split(CHUNK):
        yield field.surface(part)


def eroded(solid: Bool[Tensor, "z y x"]) -> Bool[Tensor, "z y x"]:
    """Without the vertices that have a neighbour outside (of 26)."""
    return torch.nn.functional.max_pool3d((~solid).float()[None, None], 3, stride=1, padding=1)[0, 0] == 0


def mean_over(values: Float[Tensor, "z y x"], where: Bool[Tensor, "z y x"]) -> float | None:
    """The mean over the marked cells; None where none is marked."""
    return float(values[where].mean()) if where.any() else None
