"""Merges several parts into one mesh with a common atlas that keeps their textures, colours and uv."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from dream3d.mesh.importing.scene import Array, Part, TextureImage
from dream3d.mesh.importing.tiles import (
    CONTRAST,
    EACH,
    LEAST,
    MOST,
    PLAIN,
    SWATCH,
    Tile,
    baked,
    constant,
    contrast,
    flat,
    layout,
    palette,
    plain,
    tint,
    window,
)  # fmt: skip
from dream3d.mesh.importing.wrapping import nearer, sharp
from dream3d.mesh.unwrap import flattened
from dream3d.types import Mesh

MARGIN = 4
"""Texels around a tile that go on as it does."""
MOST_TEXELS = 2**24
"""Of the whole atlas; above, its pictures are made smaller."""
log = logging.getLogger(__name__)


class Painted(NamedTuple):
    """Parts (some with vertices doubled), uv for each, None without any, and the texture, if there is one."""

    parts: list[Part]
    uv: list[Array] | None
    texture: Array | None


def painted(parts: Sequence[Part]) -> Painted:
    """The parts with one texture for all, where any has one, or colours that vertex colours cannot represent."""
    parts = list(parts)
    if any(part.textured or contrast(part) > CONTRAST for part in parts):
        tiles = list(textured_tiles(parts))
        uv, texture = packed(tiles, parts)
        return Painted(parts, uv, texture)
    if layout(parts):
        return Painted(parts, [part.uv for part in parts if part.uv is not None], None)
    own = [layout([part]) for part in parts]
    if not any(own):
        return Painted(parts, None, None)
    tiles = [plain_tile({i: part}, own=own[i]) for i, part in enumerate(parts)]
    return Painted(parts, packed(tiles, parts, picture=False)[0], None)


def textured_tiles(parts: list[Part]) -> list[Tile]:
    """The tiles of all parts; those whose vertices have to be doubled are replaced in the list."""
    windows: dict[tuple[int, bytes], list[int]] = {}
    swatches: dict[bytes, list[int]] = {}
    tiles = []
    for i, part in enumerate(parts):
        if flat(part) and not constant(part):
            tiles.append(palette(i, part))
        elif not constant(part):
            parts[i], size = charted(part)
            tiles.append(baked(i, parts[i], size))
        elif part.picture is not None and part.uv is not None:
            windows.setdefault((id(part.picture), colour_key(part)), []).append(i)
        elif layout([part]):
            tiles.append(plain_tile({i: part}, own=True))
        else:
            swatches.setdefault(colour_key(part), []).append(i)
    for group in windows.values():
        shifted = nearer([parts[i] for i in group])
        for i, part in zip(group, shifted, strict=True):
            parts[i] = part
        first = parts[group[0]]
        assert isinstance(first.picture, TextureImage)
        tiles.append(window({i: parts[i] for i in group}, sharp(first.picture), tint(first)))
    return tiles + [plain_tile({i: parts[i] for i in group}, own=False) for group in swatches.values()]


def colour_key(part: Part) -> bytes:
    """The same for parts of one tint."""
    return tint(part).round(5).tobytes()


def plain_tile(parts: dict[int, Part], *, own: bool) -> Tile:
    """A tile of one colour: with room for the part's own uv, or all of its vertices in the middle."""
    middle = {i: np.full((len(part.vertices), 2), 0.5) for i, part in parts.items()}
    uv = {i: part.uv for i, part in parts.items() if own and part.uv is not None}
    return plain(uv or middle, tint(next(iter(parts.values()))), PLAIN if uv else SWATCH)


def charted(part: Part) -> tuple[Part, int]:
    """A part with an injective uv map, and the size of its texture."""
    size = EACH * math.sqrt(len(part.faces))
    if part.picture is not None and part.uv is not None:
        size = max(size, *part.picture.pixels.shape[:2])
    side = int(min(max(size, LEAST), MOST))
    if layout([part]):
        return part, side
    extent = max(float(np.ptp(part.vertices, axis=0).max()), 1e-30)
    shape = torch.from_numpy((part.vertices - part.vertices.mean(0)) / extent).float()
    source, faces, uv = flattened(Mesh(shape, torch.from_numpy(part.faces)), size=side, padding=MARGIN)
    return replace(part.taken(source.numpy(), faces.numpy()), uv=uv.double().numpy()), side


def packed(tiles: Sequence[Tile], parts: Sequence[Part], *, picture: bool = True) -> tuple[list[Array], Array | None]:
    """The uv of every part, and the texture. One tile alone stays as it is."""
    margin = MARGIN if len(tiles) > 1 else 0
    total = sum(tile.width * tile.height for tile in tiles)
    scale = min(1.0, math.sqrt(MOST_TEXELS / total))
    if scale < 1 and picture:
        log.warning("textures of %.0f million texels are made smaller, to %.0f %% a side", total / 1e6, 100 * scale)
    scales = [1 if tile.fixed else scale for tile in tiles]
    sizes = [(max(1, round(t.width * s)), max(1, round(t.height * s))) for t, s in zip(tiles, scales, strict=True)]
    places, width, height = shelves([(w + 2 * margin, h + 2 * margin) for w, h in sizes])
    texture = np.full((height, width, 3), 0.5, np.float32) if picture else None
    uv: list[Array] = [np.zeros((0, 2))] * len(parts)
    for tile, (w, h), (x, y) in zip(tiles, sizes, places, strict=True):
        if texture is not None:
            texture[y : y + h + 2 * margin, x : x + w + 2 * margin] = tile.fill(w, h, margin)
        for i, own in tile.uv.items():
            column, row = x + margin + own[:, 0] * w, y + margin + (1 - own[:, 1]) * h
            uv[i] = np.column_stack((column / width, 1 - row / height)) if len(tiles) > 1 else own
    return uv, texture


def shelves(sizes: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], int, int]:
    """Where rectangles go (left, top), highest first in rows, and width and height of the whole.

    >>> shelves([(2, 2), (4, 4), (2, 3)])
    ([(0, 4), (0, 0), (4, 0)], 6, 6)
    """
    area = sum(w * h for w, h in sizes)
    width = max(math.ceil(math.sqrt(area)), *(w for w, _ in sizes), 1)
    if len(sizes) > 1:
        width = max(width, sum(sorted((w for w, _ in sizes), reverse=True)[:2]))
    places, x, y, row = [(0, 0)] * len(sizes), 0, 0, 0
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i][1]):
        w, h = sizes[i]
        if x + w > width:
            x, y, row = 0, y + row, 0
        places[i], x, row = (x, y), x + w, max(row, h)
    return places, width, y + row
