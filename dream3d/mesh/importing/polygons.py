"""Triangulates polygons: fans for convex ones, ear clipping otherwise."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray
Corner = tuple[int, int]


def cut(polygons: Sequence[Sequence[Corner]], positions: Array) -> tuple[Array, Array]:
    """All corners (``n 2``) of polygons with 3 or more, and triangles between them (``m 3``)."""
    kept = [polygon for polygon in polygons if len(polygon) >= 3]
    corners = np.array([corner for polygon in kept for corner in polygon], np.int64).reshape(-1, 2)
    if len(corners) and corners[:, 0].max() >= len(positions):
        raise ValueError(f"a face with vertex {corners[:, 0].max() + 1} of {len(positions)}")
    sizes = np.array([len(polygon) for polygon in kept], np.int64)
    starts = np.cumsum(sizes) - sizes
    faces = []
    for size in np.unique(sizes):
        at = starts[sizes == size][:, None] + np.arange(size)
        bent = concave(positions[corners[at, 0]]) if size > 3 else np.zeros(len(at), bool)
        fan = np.array([(0, i, i + 1) for i in range(1, size - 1)])
        faces.append((at[~bent][:, fan]).reshape(-1, 3))
        faces += [row[ears(positions[corners[row, 0]])] for row in at[bent]]
    return corners, np.concatenate(faces) if faces else np.zeros((0, 3), np.int64)


def concave(points: Array) -> Array:
    """Of polygons ``n k 3``: whether one of their corners turns the other way."""
    before, after = points - np.roll(points, 1, 1), np.roll(points, -1, 1) - points
    turn = np.cross(before, after)
    normal = np.cross(points, np.roll(points, -1, 1)).sum(1, keepdims=True)
    size = (normal**2).sum(-1)
    return ((turn * normal).sum(-1) < -1e-6 * size).any(1)


def ears(points: Array) -> Array:
    """Triangles (``k - 2, 3``) of one polygon ``k 3`` without holes (Meisters 1975: there is always an ear)."""
    normal = np.cross(points, np.roll(points, -1, 0)).sum(0)
    drop = int(np.abs(normal).argmax())
    flat = np.delete(points, drop, 1)
    if (normal[drop] < 0) != (drop == 1):
        flat = flat[:, ::-1]
    left, found = list(range(len(points))), []
    while len(left) > 3:
        ear = next((i for i in range(len(left)) if is_ear(flat, left, i)), 0)
        found.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return np.array([*found, left])


def is_ear(flat: Array, left: list[int], i: int) -> bool:
    """Whether the corner turns left and no other one is inside its triangle."""
    names = (left[i - 1], left[i], left[(i + 1) % len(left)])
    a, b, c = flat[list(names)]
    if area(a, b, c) <= 0:
        return False
    others = flat[[n for n in left if n not in names]]
    inside = (area(a, b, others) >= 0) & (area(b, c, others) >= 0) & (area(c, a, others) >= 0)
    return not inside.any()


def area(a: Array, b: Array, p: Array) -> Any:
    """Twice the signed area of a, b, p."""
    return (b[0] - a[0]) * (p[..., 1] - a[1]) - (b[1] - a[1]) * (p[..., 0] - a[0])
