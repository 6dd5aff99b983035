"""Volume overlap of two shapes: which cells of a grid are inside a mesh, and the IoU of two such grids.

In-the-wild meshes are not watertight: parts intersect, faces are flipped, sheets
have holes. Counting parity fails at the first, winding numbers at the second, flooding at the third. So
``mesh_occupancy`` calls a cell inside when either of two independent arguments says so:

* flooding: the cell's centre cannot be reached from outside by axis-parallel steps from centre to centre
  that cross no triangle (right for closed surfaces, whatever their orientation and overlaps);
* winding: along at least 4 of the 6 axis directions the signed crossings on the way out do not cancel
  (right for oriented surfaces, and still right when they have holes or a few turned faces).

Both read the same list of crossings. A single open sheet bent to a bowl counts as filled; cavities that
are shut off from the outside count as filled, too.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from dream3d.types import Mesh

Array = NDArray[Any]

ASKEW = torch.linalg.matrix_exp(torch.tensor([[0.0, 0.3, -0.5], [-0.3, 0.0, 0.7], [0.5, -0.7, 0.0]]))
"""A rotation by 52 degrees about an axis that is far from those of the grid and from its diagonals."""


def volume_iou(a: Bool[Tensor, "*n"], b: Bool[Tensor, "*n"]) -> float:
    """``|a and b| / |a or b|``; 1 for two empty shapes."""
    union = (a | b).sum().item()
    return (a & b).sum().item() / union if union else 1.0


def mesh_iou(a: Mesh, b: Mesh, resolution: int = 128) -> float:
    """IoU of the volumes enclosed by two meshes.

    Both are turned alike, askew to the grid: along it, a board of 2 cells' thickness would count as 1, 2
    or 3 of them all over, as it happens to lie; askew, these errors cancel.
    """
    turned = [replace(m, vertices=m.vertices.cpu() @ ASKEW.to(m.vertices).cpu()) for m in (a, b)]
    return volume_iou(*(mesh_occupancy(m, resolution) for m in turned))


def mesh_occupancy(mesh: Mesh, resolution: int) -> Bool[Tensor, "r r r"]:
    """Which cell centres of a regular grid over [-1, 1]^3 are inside; indexed [x, y, z].

    Raises:
        ValueError: a resolution below 2.
    """
    if resolution < 2:
        raise ValueError(f"mesh_occupancy: got resolution {resolution}, expected at least 2")
    n = resolution + 2  # one layer of cells around, certainly outside
    vertices = mesh.vertices.detach().cpu().double().numpy()
    corners = (vertices * (resolution / 2) + (resolution - 1) / 2 + 1)[mesh.faces.cpu().numpy()]
    crossings = [line_crossings(np.roll(corners, -axis - 1, axis=2), n) for axis in range(3)]
    # line_crossings counts along the last axis of (axis + 1, axis + 2, axis): turn it back to (x, y, z).
    signed = [np.moveaxis(s, (0, 1, 2), np.roll((0, 1, 2), -a - 1)) for a, (s, _) in enumerate(crossings)]
    blocked = [np.moveaxis(b, (0, 1, 2), np.roll((0, 1, 2), -a - 1)) for a, (_, b) in enumerate(crossings)]
    inside = ~flooded(blocked, n) | (winding_votes(signed, n) >= 4)
    return torch.from_numpy(inside[1:-1, 1:-1, 1:-1].copy())


def line_crossings(corners: Array, n: int) -> tuple[Array, Array]:
    """Crossings of triangles (f, 3, 3) with the n x n lines parallel to the last axis through integers.

    Returns signed counts (+1 where the surface faces along the axis) and whether there is any crossing,
    both (n, n, n + 1): bin k holds what lies between the cells k - 1 and k. The lines stand a ten
    thousandth of a cell beside the centres so that they miss edges and corners of tidy meshes.
    """
    offset = np.array([1.234e-4, 1.871e-4])
    flat = corners[:, :, :2] - offset
    low = np.clip(np.ceil(flat.min(axis=1)), 0, n).astype(int)
    high = np.clip(np.floor(flat.max(axis=1)), -1, n - 1).astype(int)
    extent = np.maximum(high - low + 1, 0)
    counts = extent.prod(axis=1)
    face = np.repeat(np.arange(len(corners)), counts)
    within = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
    line = low[face] + np.stack((within // np.maximum(extent[face, 1], 1), within % np.maximum(extent[face, 1], 1)), 1)

    a, b, c = (flat[face, i] - line for i in range(3))
    weights = np.stack((_cross(b, c), _cross(c, a), _cross(a, b)), axis=1)
    area = weights.sum(axis=1)
    hit = ((weights > 0).all(1) | (weights < 0).all(1)) & (area != 0)
    weights, area, face, line = weights[hit], area[hit], face[hit], line[hit]
    height = (weights * corners[face, :, 2]).sum(axis=1) / area
    edge = np.clip(np.floor(height).astype(int) + 1, 0, n)

    signed, blocked = np.zeros((n, n, n + 1), dtype=int), np.zeros((n, n, n + 1), dtype=bool)
    np.add.at(signed, (line[:, 0], line[:, 1], edge), np.sign(area).astype(int))
    blocked[line[:, 0], line[:, 1], edge] = True
    return signed, blocked


def flooded(blocked: list[Array], n: int) -> Array:
    """Flood fill: the cells reachable from the corner of the grid."""
    index = np.arange(n**3).reshape(n, n, n)
    pairs = []
    for axis, walls in enumerate(blocked):
        free = ~walls.take(range(1, n), axis=axis)
        pairs.append((index.take(range(n - 1), axis)[free], index.take(range(1, n), axis)[free]))
    rows, columns = (np.concatenate(side) for side in zip(*pairs, strict=True))
    graph = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(n**3, n**3))
    _, label = connected_components(graph, directed=False)
    return (label == label[0]).reshape(n, n, n)


def winding_votes(signed: list[Array], n: int) -> Array:
    """For each cell, along how many of the 6 directions the signed crossings outwards do not cancel."""
    votes = np.zeros((n, n, n), dtype=int)
    for axis, counts in enumerate(signed):
        below = np.cumsum(counts, axis=axis)
        above = below.take([n], axis=axis) - below
        votes += below.take(range(n), axis=axis) != 0
        votes += above.take(range(n), axis=axis) != 0
    return votes


def _cross(a: Array, b: Array) -> Array:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
