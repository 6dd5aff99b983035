"""Which of the models that the embedded prior was made from a picture shows, and from where: a search by looks.

Every model's coarse volume (``volumes.py``) is seen from every camera in question. Views and picture are compared where
their objects have been scaled to the same box, so that neither size nor place matters: outlines, and inside them
brightness less its mean, which a change of colour hardly touches. Every cell that a surface touches is full, so volumes
are larger than their models by half a cell all round; the picture is made as much larger before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dream3d.cameras import orbit, pixel_rays
from dream3d.priors.mini.volumes import CELLS, Volumes
from dream3d.types import Camera

CHUNK = 64  # volumes at once
PATTERN = 0.5  # weight of the brightness pattern beside the outline
EXTENT, GROWTH = 96, 2  # pixels of the picture's object, and how far it grows: about half a cell


@dataclass(frozen=True)
class Detail:
    """Pixels and samples a ray of the views, and the edge of the pictures that are compared."""

    pixels: int
    samples: int
    edge: int


QUICK, FINE = Detail(20, 26, 14), Detail(36, 44, 24)


@dataclass(frozen=True)
class Match:
    """A model (its number), a camera (its number) from which it looks like the picture, how different it looks (0: not
    at all), and where its object is in the frame: centre and larger extent as shares of the edge."""

    model: int
    camera: int
    distance: float
    box: tuple[float, float, float]


@torch.no_grad()
def matches(volumes: Volumes, looks: Float[Tensor, "2 h w"], cameras: Camera, detail: Detail = FINE) -> list[Match]:
    """The best camera of every model, the best model first. ``looks``: those of the picture (``looks_of``)."""
    wanted = thumbnail(looks[None], detail.edge)[0]
    rays = cells_along_rays(cameras, detail)
    found: list[Match] = []
    for start in range(0, len(volumes.names), CHUNK):
        occupied, luma = (part[start : start + CHUNK] for part in (volumes.occupied, volumes.luma))
        distances, boxes = [], []
        for cells in rays:
            views = seen(occupied, luma, cells, detail)
            distances.append(away(thumbnail(views, detail.edge), wanted))
            boxes.append(torch.stack(box(views[:, 1]), dim=1))
        best, which = torch.stack(distances, dim=1).min(dim=1)
        where = torch.stack(boxes, dim=1)[torch.arange(len(which)), which] / detail.pixels
        rows = zip(which.tolist(), best.tolist(), where.tolist(), strict=True)
        found += [Match(start + i, c, d, (b[0], b[1], 2 * b[2])) for i, (c, d, b) in enumerate(rows)]
    return sorted(found, key=lambda match: match.distance)


def looks_of(rgba: Float[Tensor, "h w 4"]) -> Float[Tensor, "2 s s"]:
    """Premultiplied brightness and alpha of the picture's object, grown by ``GROWTH`` of ``EXTENT`` pixels; what is new
    is as bright as what is near. Wires that fill a quarter of a pixel count: they fill whole cells. ``rgba`` is
    premultiplied."""
    more = 1 / rgba[..., 3].clamp(0.5, 1)
    picture = (more * torch.stack((rgba[..., :3].mean(-1), rgba[..., 3])))[None]
    framed = F.pad(thumbnail(picture, EXTENT), (2 * GROWTH,) * 4)
    window = 2 * GROWTH + 1
    near, grown = F.avg_pool2d(framed, window, 1, GROWTH), F.max_pool2d(framed[:, 1:], window, 1, GROWTH)
    known = torch.where(framed[:, 1:] > 0.5, framed, near)
    return torch.cat((known[:, :1] / known[:, 1:].clamp(min=1e-3) * grown, grown), dim=1)[0]


def cells_along_rays(cameras: Camera, detail: Detail) -> list[Int[Tensor, "p s"]]:
    """For each camera the cells on each pixel's ray through the unit ball, near to far; ``CELLS``^3 outside."""
    rays = pixel_rays(cameras.resized(detail.pixels, detail.pixels))
    origin, direction = rays.origin.flatten(1, 2), rays.direction.flatten(1, 2)
    middle = -(origin * direction).sum(-1, keepdim=True)
    along = middle + torch.linspace(-1.1, 1.1, detail.samples)
    x = origin[:, :, None] + along[..., None] * direction[:, :, None]
    cell = ((x + 1) / 2 * CELLS).floor().long()
    within = ((cell >= 0) & (cell < CELLS)).all(-1)
    flat = (cell[..., 0] * CELLS + cell[..., 1]) * CELLS + cell[..., 2]
    return list(torch.where(within, flat, torch.tensor(CELLS**3)))


def seen(
    occupied: Bool[Tensor, "n v"], luma: Float[Tensor, "n v"], cells: Int[Tensor, "p s"], detail: Detail
) -> Float[Tensor, "n 2 h w"]:
    """Brightness and alpha of the first occupied cell on every ray."""
    hit, first = occupied[:, cells].max(dim=-1)
    which = cells.expand(len(occupied), -1, -1).gather(2, first[..., None])[..., 0]
    bright = luma.gather(1, which) * hit
    return torch.stack((bright, hit.to(bright)), dim=1).unflatten(2, (detail.pixels, detail.pixels))


def thumbnail(views: Float[Tensor, "n 2 h w"], edge: int) -> Float[Tensor, "n 2 e e"]:
    """The object in the middle, its larger extent the whole edge."""
    h, w = views.shape[-2:]
    x, y, half = box(views[:, 1])
    at = (torch.arange(edge) + 0.5) / edge * 2 - 1
    columns, rows = (2 * (middle[:, None] + half[:, None] * at) / n - 1 for middle, n in ((x, w), (y, h)))
    shape = (-1, edge, edge)
    where = torch.stack((columns[:, None].expand(*shape), rows[:, :, None].expand(*shape)), dim=-1)
    width = int(float(half.max()) * 2 / edge) // 2 * 2 + 1  # of the blur, where the picture is much larger
    if width > 1:
        views = F.avg_pool2d(views, width, 1, width // 2, count_include_pad=False)
    return F.grid_sample(views, where, align_corners=False, padding_mode="zeros")


def box(alpha: Float[Tensor, "n h w"]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Centre (x, y) and half the larger extent, in pixels, of what is opaque."""
    (x0, x1), (y0, y1) = (ends((alpha > 0.5).any(axis)) for axis in (1, 2))
    return (x0 + x1) / 2, (y0 + y1) / 2, torch.maximum(x1 - x0, y1 - y0) / 2


def ends(occupied: Bool[Tensor, "n k"]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Where the occupied part of each row begins and ends; the whole row where nothing is."""
    k = occupied.shape[1]
    number = occupied.to(torch.uint8)
    first, last = number.argmax(1), k - number.flip(1).argmax(1)
    none = ~occupied.any(1)
    return torch.where(none, 0, first).float(), torch.where(none, k, last).float()


def away(views: Float[Tensor, "n 2 e e"], wanted: Float[Tensor, "2 e e"]) -> Float[Tensor, " n"]:
    """Mean squared difference of outlines, and of brightness less its mean where both are opaque."""
    outline = (views[:, 1] - wanted[1]).square().mean((1, 2))
    both = views[:, 1] * wanted[1]
    area = both.sum((1, 2), keepdim=True).clamp(min=1e-3)
    pattern = both.new_zeros(())
    for sign, pair in ((1, views), (-1, wanted[None])):
        bright = pair[:, 0] / pair[:, 1].clamp(min=0.1)
        pattern = pattern + sign * (bright - (bright * both).sum((1, 2), keepdim=True) / area)
    return outline + PATTERN * (pattern.square() * both).sum((1, 2)) / area[:, 0, 0]


@torch.no_grad()
def recognised(
    volumes: Volumes, looks: Float[Tensor, "2 h w"], cameras: Camera, noun: str | None, keep: int = 60
) -> list[Match]:
    """The models that look most like the picture, all or those that a noun means: all of them quickly, then the best
    ``keep`` in detail. ``Match.model`` counts all of the volumes."""
    some = [i for i, nouns in enumerate(volumes.nouns) if noun is None or noun in nouns]
    if len(some) > keep:
        quick = matches(volumes.some(some), looks, cameras, QUICK)[:keep]
        some = [some[match.model] for match in quick]
    fine = matches(volumes.some(some), looks, cameras, FINE) if some else []
    return [replace(match, model=some[match.model]) for match in fine]


@torch.no_grad()
def turned(
    volumes: Volumes, looks: Float[Tensor, "2 h w"], found: Sequence[Match], cameras: Camera, turn: float
) -> tuple[list[Match], Camera]:
    """The matches again, each from cameras up to ``turn`` degrees beside, above and below its own: the best one of
    each, the best match first, and those cameras."""
    better, angles = [], []
    for number, match in enumerate(found):
        own = cameras[match.camera : match.camera + 1]
        azimuth, elevation = (float(torch.rad2deg(angle)) for angle in (own.azimuth, own.elevation))
        beside = around(own, [azimuth - turn, azimuth, azimuth + turn], [elevation - turn, elevation, elevation + turn])
        best = matches(volumes.some([match.model]), looks, beside)[0]
        angles.append((float(beside.azimuth[best.camera]), float(beside.elevation[best.camera])))
        better.append(replace(best, model=match.model, camera=number))
    azimuths, elevations = torch.tensor(angles).T
    distance, fov_y = (one[:1].expand(len(angles)) for one in (cameras.distance, cameras.fov_y))
    at = orbit(azimuths, elevations, distance, fov_y, cameras.height)
    return sorted(better, key=lambda match: match.distance), at


def around(camera: Camera, azimuths: Sequence[float], elevations: Sequence[float]) -> Camera:
    """Cameras like this one at all these angles, in degrees."""
    angles = torch.tensor([(float(a), float(e)) for e in elevations for a in azimuths]).deg2rad()
    distance, fov_y = (one.expand(len(angles)) for one in (camera.distance, camera.fov_y))
    return orbit(angles[:, 0], angles[:, 1], distance, fov_y, camera.height)
