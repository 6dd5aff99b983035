"""The automatic isovalue: the density at which an opaque mesh blocks as much light as the volume.

Along a ray the volume's opacity ``O(t) = 1 - exp(-int_0^t density)`` is the distribution function of
where light is stopped. An opaque surface of level L stops all of it at the first point with
density > L: a step function. The isovalue is the one whose step functions are nearest to the volume's,
in the Wasserstein-1 distance ``int |O(t) - [t >= t_L]| dt`` summed over rays along the six axis
directions. For one ray the optimum is its 50 % opaque point (the median); over all rays depth and
silhouette are weighed together, and no scale of density is assumed: hard and soft fields fit alike.
"""

import torch
from jaxtyping import Float
from torch import Tensor

OPACITY = 0.1  # a scene whose most opaque ray is below this is empty
PLATEAU = 1e-3  # distances closer than this fraction of the empty mesh's count as equal
RAYS = 64  # at most so many rays a side
CANDIDATES = 96


class EmptyField(ValueError):
    """The density field is empty."""


class SolidField(ValueError):
    """The whole ball is filled: a surface would be the ball itself."""


def auto_isovalue(density: Float[Tensor, "x y z"], spacing: float) -> float:
    """The isovalue that fits best, from densities on a grid with cells of size ``spacing``.

    Opacities are relative to the most opaque ray, so that a faint object still has its half-way
    point. Where a range of isovalues fits equally well (a sharp field), the middle of the range.

    Raises:
        EmptyField: no ray is more than 10 % opaque.
    """
    rays = _axis_rays(density)
    depth = spacing * (rays.cumsum(1) - rays / 2)
    opacity = -torch.expm1(-depth)
    strongest = -float(torch.expm1(-spacing * rays.sum(1)).min())
    if strongest < OPACITY:
        raise EmptyField(
            f"EMPTY: got a most opaque ray of {strongest:.2g} (max density {float(density.max()):.3g}), "
            f"expected an opacity >= {OPACITY}; train for more steps, weaken regularize, lower "
            "distill.loss.scale, or set mesh.isovalue to a number below the max density"
        )
    opacity = opacity / strongest
    low, high = 0.01 / (spacing * rays.shape[1]), float(density.max())
    isovalues = torch.logspace(0, 1, CANDIDATES + 1, base=max(high / low, 1 + 1e-6))[:-1] * low
    distance = _distances(rays, opacity, isovalues)
    good = isovalues[distance <= distance.min() + PLATEAU * opacity.sum()]
    return float(good.min() + good.max()) / 2


def _axis_rays(density: Float[Tensor, "x y z"]) -> Float[Tensor, "r n"]:
    """Densities along rays in the six axis directions, thinned out to at most RAYS x RAYS a direction."""
    stride = -(-density.shape[0] // RAYS)
    lines = [density.movedim(axis, 2)[::stride, ::stride].flatten(0, 1) for axis in range(3)]
    return torch.cat([*lines, *(line.flip(1) for line in lines)])


def _distances(
    rays: Float[Tensor, "r n"], opacity: Float[Tensor, "r n"], isovalues: Float[Tensor, " k"]
) -> Float[Tensor, " k"]:
    """``sum |O_i - [i >= hit]|`` of each level: prefix sums of O before the hit, of 1 - O after it."""
    n = rays.shape[1]
    most = rays.cummax(1).values.contiguous()
    hit = torch.searchsorted(most, isovalues.expand(len(rays), -1).contiguous(), right=True)
    prefix = torch.nn.functional.pad(opacity.double().cumsum(1), (1, 0))
    before = prefix.gather(1, hit)
    return (before + (n - hit) - (prefix[:, -1:] - before)).sum(0)
