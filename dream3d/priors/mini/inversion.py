"""A picture into the embedded prior's latents: the planes that a known shape needs for the outline of the picture.

Auto-decoder inversion (DeepSDF, arXiv 1901.05103, Sec. 4.2): the decoder stays, the latent is optimised, from that of
the noun on. Rays through the object must meet the surface, rays beside it must not; what one view does not show
follows a coarse volume, that of the model which the picture looks like most.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes
from torch import Generator, Tensor

from dream3d.cameras import pixel_rays
from dream3d.priors.mini.latents import TriplaneDecoder
from dream3d.types import Camera

MARGIN = 0.012  # signed distance by which rays and cells have to be on their side
RAYS, SAMPLES, POINTS = 384, 36, 1536  # a step
RATE = 0.03  # of Adam, in standard deviations of the planes
STAY = 0.02  # weight of the mean squared change of the planes, in their variances


@dataclass(frozen=True)
class Outline:
    """Rays of one view, and which of them meet the object."""

    origin: Float[Tensor, "r 3"]
    direction: Float[Tensor, "r 3"]
    inside: Bool[Tensor, " r"]


def outline_of(alpha: Float[Tensor, "h w"], camera: Camera) -> Outline:
    """The rays through the pixels of a picture's alpha."""
    rays = pixel_rays(camera.resized(*alpha.shape))
    return Outline(rays.origin.reshape(-1, 3), rays.direction.reshape(-1, 3), alpha.flatten() > 0.5)


def inverted(
    decoder: TriplaneDecoder,
    planes: Float[Tensor, "3 c r r"],
    outline: Outline,
    cells: Bool[Tensor, "n n n"] | None,
    generator: Generator,
    *,
    steps: int = 120,
) -> Float[Tensor, "3 c r r"]:
    """Planes near the given ones, whose surface has the outline (and lies in the ``cells``)."""
    unit, cells_edge = planes.std(), 1 if cells is None else len(cells)
    free, solid = sides(cells)
    change = torch.zeros_like(planes, requires_grad=True)
    optimizer = torch.optim.Adam([change], lr=RATE, betas=(0.9, 0.95))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - 0.9 * step / steps)
        latent = (planes + unit * change)[None]
        x, hit = ray_points(outline, generator)
        x_free, x_solid = (inside_cells(corners, 2 / cells_edge, generator) for corners in (free, solid))
        distance = decoder(latent, torch.cat((x.flatten(0, 1), x_free, x_solid))[None])[0][0]
        along, out, within = distance.split([x.shape[0] * x.shape[1], len(x_free), len(x_solid)])
        nearest = along.view(x.shape[:2]).amin(dim=1)
        wrong = torch.where(hit, nearest + MARGIN, MARGIN - nearest).clamp(min=0).mean()
        wrong = wrong + (MARGIN - out).clamp(min=0).sum() / POINTS + (within + MARGIN).clamp(min=0).sum() / POINTS
        optimizer.zero_grad()
        (wrong / MARGIN + STAY * change.square().mean()).backward()
        optimizer.step()
    return (planes + unit * change).detach()


def sides(cells: Bool[Tensor, "n n n"] | None) -> tuple[Float[Tensor, "f 3"], Float[Tensor, "s 3"]]:
    """Corners of the cells that are surely outside of what the cells enclose, and of those surely inside."""
    if cells is None:
        return torch.zeros(0, 3), torch.zeros(0, 3)
    filled = np.asarray(binary_fill_holes(cells.numpy()), bool)
    size = len(cells)
    found = (~np.asarray(binary_dilation(filled, iterations=1), bool), np.asarray(binary_erosion(filled, iterations=2)))
    free, solid = (torch.from_numpy(part).nonzero().float() / size * 2 - 1 for part in found)
    return free, solid


def inside_cells(corners: Float[Tensor, "f 3"], edge: float, generator: Generator) -> Float[Tensor, "p 3"]:
    """Random points in random ones of the cells; none where there are none."""
    if len(corners) == 0:
        return corners
    pick = torch.randint(len(corners), (POINTS // 2,), generator=generator)
    return corners[pick] + edge * torch.rand(len(pick), 3, generator=generator)


def ray_points(outline: Outline, generator: Generator) -> tuple[Float[Tensor, "r s 3"], Bool[Tensor, " r"]]:
    """Points on random rays through the unit ball, half of the rays through the object; and which those are."""
    hits, misses = outline.inside.nonzero()[:, 0], (~outline.inside).nonzero()[:, 0]
    halves = [part[torch.randint(len(part), (RAYS // 2,), generator=generator)] for part in (hits, misses) if len(part)]
    pick = torch.cat(halves)
    origin, direction = outline.origin[pick], outline.direction[pick]
    middle = -(origin * direction).sum(-1, keepdim=True)
    share = (torch.arange(SAMPLES) + torch.rand(len(pick), SAMPLES, generator=generator)) / SAMPLES
    along = middle + 2 * share - 1
    return origin[:, None] + along[..., None] * direction[:, None], outline.inside[pick]
