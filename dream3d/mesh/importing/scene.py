"""The common output of all readers: parts with one material each, and the colour at a point of a part.

The colour is that of glTF 2.0 section 3.9.2, in linear light: ``texture x factor x vertex colour``.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

Array = np.ndarray
Wrap = Literal["repeat", "mirror", "clamp"]


@dataclass(frozen=True, eq=False)
class TextureImage:
    """A texture: sRGB and alpha, bytes ``h w 4``, row 0 at the top; how it goes on beyond its borders in u and
    v; and whether texels are squares of one colour (``nearest``) or blend into each other."""

    pixels: Array
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")
    nearest: bool = False

    def columns(self, index: Array) -> Array:
        """Wrapped column indices."""
        return wrapped(index, self.pixels.shape[1], self.wrap[0])

    def rows(self, index: Array) -> Array:
        """Wrapped row indices."""
        return wrapped(index, self.pixels.shape[0], self.wrap[1])

    def at(self, uv: Array) -> Array:
        """Bilinear (or nearest) look-up, ``n 4`` in [0, 1]; v = 0 at the bottom."""
        h, w = self.pixels.shape[:2]
        x, y = uv[:, 0] * w - 0.5, (1 - uv[:, 1]) * h - 0.5
        if self.nearest:
            x, y = np.rint(x), np.rint(y)
        left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        across, down = (x - left)[:, None], (y - top)[:, None]
        upper, lower = self.rows(top), self.rows(top + 1)
        west, east = self.columns(left), self.columns(left + 1)
        first = self.pixels[upper, west] * (1 - across) + self.pixels[upper, east] * across
        second = self.pixels[lower, west] * (1 - across) + self.pixels[lower, east] * across
        return (first * (1 - down) + second * down) / 255


def wrapped(index: Array, size: int, mode: Wrap) -> Array:
    """Wrap texel indices outside the texture.

    >>> wrapped(np.arange(-2, 4), 2, "mirror"), wrapped(np.arange(-2, 4), 2, "clamp")
    (array([1, 0, 0, 1, 1, 0]), array([0, 0, 0, 1, 1, 1]))
    """
    if mode == "clamp":
        return index.clip(0, size - 1)
    if mode == "repeat":
        return index % size
    back = index % (2 * size)
    return np.minimum(back, 2 * size - 1 - back)


@dataclass(frozen=True, eq=False)
class Part:
    """Triangles of one material, in the file's world space (metres or whatever, float64).

    ``uv`` have v = 0 at the bottom. ``colours`` (``v 3`` or ``v 4`` with alpha) are interpolated as they are:
    in linear light where ``light`` says so (glTF), else as sRGB values (OBJ, PLY). ``factor`` is linear RGBA.
    Where ``cutoff`` is set, places of less alpha are not there.
    """

    vertices: Array
    faces: Array
    uv: Array | None = None
    colours: Array | None = None
    light: bool = False
    factor: Array | None = None
    picture: TextureImage | None = None
    cutoff: float | None = None

    @cached_property
    def tint(self) -> Array:
        """The factor's RGB, linear."""
        return np.ones(3) if self.factor is None else self.factor[:3]

    @cached_property
    def textured(self) -> bool:
        """Whether it has a texture and texture coordinates."""
        return self.picture is not None and self.uv is not None

    def taken(self, source: Array, faces: Array) -> "Part":
        """A part of the vertices ``source`` of this one, in that order, with other faces."""
        parts = {"uv": self.uv, "colours": self.colours}
        chosen = {k: None if v is None else v[source] for k, v in parts.items()}
        return replace(self, vertices=self.vertices[source], faces=faces, **chosen)

    def rgba(self, corners: Array, share: Array) -> Array:
        """Linear RGBA (``n 4``) at points, given by three vertices (``n 3``) and barycentric coordinates."""
        value = np.ones((len(corners), 4)) * (1 if self.factor is None else self.factor)
        if self.colours is not None:
            mixed = mix(self.colours, corners, share)
            value[:, :3] *= mixed[:, :3] if self.light else linear(mixed[:, :3])
            if mixed.shape[1] == 4:
                value[:, 3] *= mixed[:, 3]
        if self.picture is not None and self.uv is not None:
            texel = self.picture.at(mix(self.uv, corners, share))
            value *= np.concatenate((linear(texel[:, :3]), texel[:, 3:]), axis=1)
        return value

    def at_vertices(self) -> Array:
        """sRGB colours (``v 3``, [0, 1]) at the vertices."""
        own = np.repeat(np.arange(len(self.vertices))[:, None], 3, axis=1)
        only = np.broadcast_to([1.0, 0.0, 0.0], own.shape)
        return srgb(self.rgba(own, only)[:, :3])


def mix(values: Array, corners: Array, share: Array) -> Array:
    """Values of vertices at points of triangles."""
    return (values[corners] * share[..., None]).sum(1)


def linear(value: Array) -> Array:
    """sRGB values to linear light (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0.04045) + 0.055) / 1.055) ** 2.4)


def srgb(light: Array) -> Array:
    """Linear light to sRGB values, both in [0, 1]."""
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)
