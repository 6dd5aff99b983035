"""Moves texture coordinates outside the unit square close to it, by whole repetitions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dream3d.mesh.importing.scene import Array, Part, TextureImage
from dream3d.mesh.importing.tiles import uv_of

PERIOD = {"repeat": 1.0, "mirror": 2.0, "clamp": np.inf}
NOISE = 1e-4
SHARP = 1024


def nearer(parts: Sequence[Part]) -> list[Part]:
    """Parts of one picture with their uv moved by whole repetitions: all together where that brings them into
    one, else face by face. What a clamped texture shows beyond its border is shown from just beyond it."""
    picture = parts[0].picture
    assert picture is not None
    period = np.array([PERIOD[mode] for mode in picture.wrap])
    every = np.concatenate([uv_of(part) for part in parts])
    shift = whole(every.min(0), period)
    if np.all(every.max(0) - shift <= 1 + NOISE) or np.isinf(period).all():
        return [replace(part, uv=clamped(uv_of(part) - shift, period)) for part in parts]
    return [by_face(part, period) for part in parts]


def whole(low: Array, period: Array) -> Array:
    """The whole repetitions below a corner."""
    finite = np.where(np.isinf(period), 1.0, period)
    return np.where(np.isinf(period), 0.0, np.floor((low + NOISE) / finite) * finite)


def clamped(uv: Array, period: Array) -> Array:
    """With the coordinates that do not repeat limited to one picture's width around."""
    return np.where(np.isinf(period), uv.clip(-1, 2), uv)


def by_face(part: Part, period: Array) -> Part:
    """A part whose faces are all moved on their own; vertices are doubled where they differ."""
    uv = uv_of(part)
    shift = whole(uv[part.faces].min(1), period)
    kinds, kind = np.unique(shift, axis=0, return_inverse=True)
    code = part.faces * len(kinds) + kind.reshape(-1, 1)
    codes, faces = np.unique(code, return_inverse=True)
    made = part.taken(codes // len(kinds), faces.reshape(-1, 3))
    return replace(made, uv=clamped(uv_of(made) - kinds[codes % len(kinds)], period))


def sharp(picture: TextureImage) -> TextureImage:
    """A picture whose texels are squares of one colour, enlarged until bilinear look-ups show them as such."""
    times = SHARP // max(picture.pixels.shape[:2])
    if not picture.nearest or times < 2:
        return picture
    times = min(times, 16)
    return replace(picture, pixels=picture.pixels.repeat(times, axis=0).repeat(times, axis=1))
