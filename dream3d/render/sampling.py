"""Where to look along a ray: uniform steps across the unit ball, skipping cells known to be empty.

All of it runs without gradient: sample positions depend on the camera only.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dream3d.render.occupancy import Occupancy
from dream3d.types import Samples


class FlatRays(NamedTuple):
    """r rays in a row: each one's shift of its steps in [0, 1), and the number of the view it belongs to."""

    origin: Float[Tensor, "r 3"]
    direction: Float[Tensor, "r 3"]
    offset: Float[Tensor, " r"]
    view: Int[Tensor, " r"]


class Interval(NamedTuple):
    """[near, far] along each ray; near >= far where there is nothing."""

    near: Float[Tensor, " r"]
    far: Float[Tensor, " r"]


def ball_interval(origin: Float[Tensor, "r 3"], direction: Float[Tensor, "r 3"]) -> Interval:
    """Where rays of unit direction are inside the unit ball, in front of their origin.

    With p the point of the ray's line nearest to the centre, reached at t = -o.d, the chord is
    ``t -+ sqrt(1 - |p|^2)``: no difference of large squares, so far cameras lose no digits.
    """
    middle = -(origin * direction).sum(-1)
    nearest = torch.addcmul(origin, middle[:, None], direction)
    half = (1 - nearest.square().sum(-1)).clamp_(min=0).sqrt_()
    return Interval((middle - half).clamp_(min=0), (middle + half).clamp_(min=0))


def box_interval(origin: Float[Tensor, "r 3"], direction: Float[Tensor, "r 3"], box: Float[Tensor, "2 3"]) -> Interval:
    """Where rays are inside an axis-aligned box (slab method, Kay and Kajiya 1986)."""
    # A direction component of 0 would give 0 * inf; a tiny one gives the same interval.
    tiny = torch.finfo(direction.dtype).tiny ** 0.5
    inverse = 1 / torch.where(direction.abs() < tiny, tiny, direction)
    a, b = (box[0] - origin) * inverse, (box[1] - origin) * inverse
    return Interval(torch.minimum(a, b).amax(-1), torch.maximum(a, b).amin(-1))


def compacts(device: torch.device) -> bool:
    """Whether to drop finished rays early: on a CPU yes; elsewhere the host would wait for their number."""
    return device.type == "cpu"


@torch.no_grad()
def march(rays: FlatRays, step: float, occupancy: Occupancy | None = None, transmittance: float = 0.0) -> Samples:
    """Packed samples of equal length ``step`` (the ends clipped to the ball), sorted by ray and distance.

    Step k of a ray covers ``[near + (k - offset) step, near + (k + 1 - offset) step]``: the offset
    (one uniform number a ray) is the stratification. Each step is looked up in the occupancy grid at
    its midpoint before it costs a field query; steps behind cells which let through less than
    ``transmittance`` are dropped too. Skipping never moves the samples that stay. The host waits for the
    device once, for the number of samples (and twice more where it ``compacts``).
    """
    origin, direction, offset, _ = rays
    near, far = ball_interval(origin, direction)
    begin = near - offset * step
    low, high = near, far
    if occupancy is not None:
        box = box_interval(origin, direction, occupancy.box.to(origin.dtype))
        low, high = torch.maximum(low, box.near), torch.minimum(high, box.far)
    # A thousandth of a step of slack: rounding must not lose a step on the border of the box.
    first = ((low - begin) / step - 1e-3).floor_().clamp_(min=0)
    count = ((high - begin) / step + 1e-3).ceil_().sub_(first).mul_(high > low)
    limit = torch.minimum(begin + (first + count - 0.01) * step, far + 0.5 * step)
    alive, width = None, math.ceil(2 / step) + 2
    columns = torch.cat((origin, direction, torch.stack((first, begin, near, far, limit), dim=1)), dim=1)
    if compacts(origin.device):
        alive = count.nonzero().squeeze(1)
        width = int(count.max()) if len(alive) else 0
        columns = columns.index_select(0, alive)
    origin, direction, ends = columns.split((3, 3, 5), dim=1)
    first, begin, near, far, limit = ends.split(1, dim=1)
    middle = first + torch.arange(width, dtype=origin.dtype, device=origin.device)
    middle.add_(0.5).mul_(step).add_(begin)
    keep = middle < limit
    if occupancy is not None:
        least = occupancy.lookup(origin, direction, middle.clamp(near, far))
        keep &= least >= 0
        if transmittance > 0:
            keep &= reached(least * keep * step, transmittance)
    flat = keep.view(-1).nonzero().squeeze(1)
    row = flat.div(max(width, 1), rounding_mode="floor")
    middle = middle.view(-1).index_select(0, flat)
    start = torch.maximum(middle - 0.5 * step, near[:, 0].index_select(0, row))
    end = torch.minimum(middle + 0.5 * step, far[:, 0].index_select(0, row))
    return Samples(row if alive is None else alive.index_select(0, row), start, end, len(count))


def reached(tau: Float[Tensor, "r k"], transmittance: float) -> Bool[Tensor, "r k"]:
    """Where along each ray ``exp(-sum of tau before)``, the least optical depth, is above ``transmittance``.

    Measured on a CPU, an exact pass over the field's own densities drops more samples, but costs more than
    that saves; this one asks the field nothing.
    """
    return tau.cumsum(1, dtype=torch.float64).sub_(tau) < -math.log(transmittance)
