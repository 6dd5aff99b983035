"""Where to look along a ray: uniform steps across the unit ball, skipping cells known to be empty.

All of it runs without gradient: sample positions depend on the camera only.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.render.composite import exclusive_sum, ray_starts
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


@torch.no_grad()
def march(rays: FlatRays, step: float, occupancy: Occupancy | None = None, transmittance: float = 0.0) -> Samples:
    """Packed samples of equal length ``step`` (the ends clipped to the ball), sorted by ray and distance.

    Step k of a ray covers ``[near + (k - offset) step, near + (k + 1 - offset) step]``: the offset
    (one uniform number a ray) is the stratification. Each step is looked up in the occupancy grid at
    its midpoint before it costs a field query; steps behind cells which let through less than
    ``transmittance`` are dropped too. Skipping never moves the samples that stay.
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
    alive = count.nonzero().squeeze(1)
    width = int(count.max()) if len(alive) else 0
    k = first[alive, None] + torch.arange(width, dtype=origin.dtype, device=origin.device)
    middle = torch.addcmul(begin[alive, None], k.add_(0.5), k.new_tensor(step))
    limit = torch.minimum(begin + (first + count - 0.01) * step, far + 0.5 * step)
    keep = middle < limit[alive, None]
    least = None
    if occupancy is not None:
        looked = torch.clamp(middle, near[alive, None], far[alive, None])
        least = occupancy.lookup(origin[alive], direction[alive], looked)
        keep &= least >= 0
    flat = keep.view(-1).nonzero().squeeze(1)
    ray = alive.index_select(0, flat.div(max(width, 1), rounding_mode="floor"))
    if least is not None and transmittance > 0:
        seen = reached(least.view(-1).index_select(0, flat) * step, ray, len(origin), transmittance)
        flat, ray = flat.index_select(0, seen), ray.index_select(0, seen)
    middle = middle.view(-1).index_select(0, flat)
    start = torch.maximum(middle - 0.5 * step, near.index_select(0, ray))
    end = torch.minimum(middle + 0.5 * step, far.index_select(0, ray))
    return Samples(ray, start, end, len(origin))


def reached(tau: Float[Tensor, " n"], ray: Int[Tensor, " n"], n_rays: int, transmittance: float) -> Int[Tensor, " m"]:
    """The samples before which ``exp(-sum of tau)``, the least optical depth, is above ``transmittance``.

    Measured on a CPU, an exact pass over the field's own densities drops more samples, but costs more than
    that saves; this one asks the field nothing.
    """
    before = exclusive_sum(tau)
    base = before.index_select(0, ray_starts(ray, n_rays)).index_select(0, ray)
    return ((before[:-1] - base) < -math.log(transmittance)).nonzero().squeeze(1)
