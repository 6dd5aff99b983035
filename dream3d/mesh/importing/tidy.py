"""Removes what is not part of the surface: unused vertices, non-finite positions, fully transparent faces."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dream3d.mesh.importing.scene import Array, Part

GRID = 12
"""Alpha is looked up at about GRID^2 / 2 points a face."""
BLOCK = 4096


def tidied(part: Part) -> Part:
    """Drop unreferenced vertices, and faces whose alpha is below the cutoff everywhere."""
    if len(part.faces) and not 0 <= part.faces.min() <= part.faces.max() < len(part.vertices):
        raise ValueError(f"a face with vertex {part.faces.max()} of {len(part.vertices)}")
    faces = part.faces if part.cutoff is None else part.faces[visible(part)]
    used, index = np.unique(faces, return_inverse=True)
    if part.uv is not None and not np.isfinite(part.uv[used]).all():
        part = replace(part, uv=None)
    return part.taken(used, index.reshape(-1, 3))


def visible(part: Part) -> Array:
    """Per face: is alpha anywhere at or above the cutoff?"""
    assert part.cutoff is not None
    i, j = np.meshgrid(np.arange(GRID + 1), np.arange(GRID + 1))
    i, j = i[i + j <= GRID], j[i + j <= GRID]
    share = (np.stack((i, j, GRID - i - j), axis=1) + 1 / 3) / (GRID + 1)
    seen = np.zeros(len(part.faces), bool)
    for start in range(0, len(seen), BLOCK):
        faces = part.faces[start : start + BLOCK]
        corners = np.repeat(faces, len(share), axis=0)
        alpha = part.rgba(corners, np.tile(share, (len(faces), 1)))[:, 3]
        seen[start : start + BLOCK] = (alpha.reshape(len(faces), -1) >= part.cutoff - 1e-6).any(1)
    return seen


def not_finite(parts: Sequence[Part]) -> int:
    """How many vertices have a coordinate that is NaN or infinite."""
    return sum(int((~np.isfinite(part.vertices)).any(1).sum()) for part in parts)


def turned(part: Part, axes: Array) -> Part:
    """The part rotated into other axes (a rotation, ``3 3``)."""
    return replace(part, vertices=part.vertices @ axes.T)


def axes(up: str, front: str) -> Array:
    """The rotation that brings the file's up to +y and its front to +z. Both are x, y, z, -x, -y or -z.

    >>> axes("z", "-y") @ [1, 2, 3]
    array([ 1.,  3., -2.])

    Raises:
        ValueError: no axis, or two that are not perpendicular.
    """
    vectors = []
    for name in (up, front):
        if name.lstrip("-") not in ("x", "y", "z") or len(name) > 2:
            raise ValueError(f"got '{name}', expected x, y, z, -x, -y or -z")
        vectors.append((-1.0 if name[0] == "-" else 1.0) * np.eye(3)["xyz".index(name[-1])])
    y, z = vectors
    if y @ z != 0:
        raise ValueError(f"got up={up} and front={front}, expected two axes that are perpendicular")
    return np.stack((np.cross(y, z), y, z)) + 0.0
