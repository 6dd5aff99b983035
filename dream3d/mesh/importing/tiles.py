"""The tiles of an atlas: the texture area that one or several parts need."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from dream3d.mesh.bake import dilate
from dream3d.mesh.importing.scene import Array, Part, TextureImage, linear, srgb
from dream3d.mesh.texels import doubled, rasterise_uv
from dream3d.mesh.unwrap import DOUBLED

SWATCH, PLAIN = 4, 64
"""Texels a side of a part of one colour: without uv of its own, and with."""
LEAST, MOST, EACH = 1024, 2048, 24
"""Texels a side of what is baked: EACH times the root of the number of faces, within bounds."""
CONTRAST = 1 / 255
"""How far, on the mean, halfway colours in linear light may be from those in sRGB values."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A rectangle of the atlas: its texels, the uv of its parts in it ([0, 1], v = 0 at the bottom), and how
    it is filled: ``fill(width, height, margin)`` is sRGB, ``h + 2 margin, w + 2 margin, 3``."""

    width: int
    height: int
    uv: dict[int, Array]
    fill: Callable[[int, int, int], Array]
    fixed: bool = False  # its size may not change


def plain(uv: dict[int, Array], colour: Array, size: int) -> Tile:
    """One linear colour."""

    def fill(width: int, height: int, margin: int) -> Array:
        return np.broadcast_to(srgb(colour), (height + 2 * margin, width + 2 * margin, 3)).astype(np.float32)

    return Tile(size, size, uv, fill, fixed=True)


def palette(index: int, part: Part) -> Tile:
    """The colours of a part with one colour per face: 2 x 2 texels each."""
    colours, which = np.unique(part.at_vertices().astype(np.float32), axis=0, return_inverse=True)
    side = math.ceil(math.sqrt(len(colours)))
    pixels = np.zeros((side * side, 3), np.float32)
    pixels[: len(colours)] = colours
    pixels = pixels.reshape(side, side, 3).repeat(2, axis=0).repeat(2, axis=1)
    row, column = np.divmod(which.reshape(-1), side)
    uv = np.column_stack((column + 0.5, side - row - 0.5)) / side

    def fill(_width: int, _height: int, margin: int) -> Array:
        return np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge")

    return Tile(2 * side, 2 * side, {index: uv}, fill, fixed=True)


def window(parts: dict[int, Part], picture: TextureImage, tint: Array) -> Tile:
    """The region of one image that parts use, wrapped by its sampler, times a linear tint."""
    every = np.concatenate([uv_of(part) for part in parts.values()])
    low, high = np.floor(every.min(0) + 1e-4), np.ceil(every.max(0) - 1e-4)
    high = np.maximum(high, low + 1)
    h, w = picture.pixels.shape[:2]
    width, height = (int(n) for n in (high - low) * (w, h))
    left, top = int(low[0]) * w, int(1 - high[1]) * h

    def fill(columns: int, rows: int, margin: int) -> Array:
        x = left + np.floor((np.arange(-margin, columns + margin) + 0.5) * width / columns).astype(np.int64)
        y = top + np.floor((np.arange(-margin, rows + margin) + 0.5) * height / rows).astype(np.int64)
        pixels = picture.pixels[picture.rows(y)][:, picture.columns(x), :3]
        table = srgb(linear(np.arange(256) / 255)[:, None] * tint).astype(np.float32)
        return np.stack([table[pixels[..., c], c] for c in range(3)], axis=-1)

    return Tile(width, height, {i: (uv_of(part) - low) / (high - low) for i, part in parts.items()}, fill)


def baked(index: int, part: Part, size: int) -> Tile:
    """A part whose colour varies everywhere, evaluated texel by texel."""
    uv = torch.from_numpy(uv_of(part)).float()

    def fill(width: int, height: int, margin: int) -> Array:
        texels = rasterise_uv(uv, torch.from_numpy(part.faces), width)
        corners, share = part.faces[texels.face.numpy()], texels.barycentric.double().numpy()
        picture, covered = torch.zeros(width, width, 3), torch.zeros(width, width, dtype=torch.bool)
        picture[texels.row, texels.column] = torch.from_numpy(srgb(part.rgba(corners, share)[:, :3])).float()
        covered[texels.row, texels.column] = True
        return np.pad(dilate(picture, covered).numpy(), ((margin, margin), (margin, margin), (0, 0)), mode="edge")

    return Tile(size, size, {index: uv_of(part)}, fill)


def uv_of(part: Part) -> Array:
    """The uv of a part, which has some."""
    if part.uv is None:
        raise ValueError("tile: got a part without uv, expected some")
    return part.uv


def contrast(part: Part) -> float:
    """How far halfway colours between the vertices in linear light are from those in sRGB values, on the mean."""
    if part.colours is None or not part.light or len(part.faces) == 0:
        return 0.0
    a, b = part.faces, np.roll(part.faces, 1, axis=1)
    light = part.colours[:, :3] * part.tint
    value = srgb(light)
    error = np.abs(srgb((light[a] + light[b]) / 2) - (value[a] + value[b]) / 2).max((1, 2))
    return float(np.average(error, weights=areas(part) + 1e-30))


def areas(part: Part) -> Array:
    """Twice the area of every face."""
    a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1)


def flat(part: Part) -> bool:
    """Whether every face has one colour, and there is no texture."""
    if part.textured or part.colours is None:
        return not part.textured
    corner = part.colours[part.faces, :3]
    return bool((corner == corner[:, :1]).all())


def constant(part: Part) -> bool:
    """Whether vertex colours, if any, are the same everywhere."""
    return part.colours is None or bool(np.ptp(part.colours[:, :3], axis=0).max(initial=0) < 1e-6)


def tint(part: Part) -> Array:
    """The one linear colour of a part with ``constant`` ones."""
    first = np.zeros((1, 3), np.int64)
    return replace(part, picture=None).rgba(first, np.array([[1.0, 0.0, 0.0]]))[0, :3]


def layout(parts: Sequence[Part], size: int = 256) -> bool:
    """Whether the uv of all parts together are injective."""
    if any(part.uv is None for part in parts):
        return False
    uv = np.concatenate([part.uv for part in parts if part.uv is not None])
    if uv.min() < -1e-4 or uv.max() > 1 + 1e-4:
        return False
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    a, b, c = (uv[faces[:, k]] for k in range(3))
    flat = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) < 1e-12
    area = np.concatenate([areas(part) for part in parts])
    if area[flat].sum() > DOUBLED * area.sum():
        return False
    return doubled(torch.from_numpy(uv).float(), torch.from_numpy(faces), size) <= DOUBLED
