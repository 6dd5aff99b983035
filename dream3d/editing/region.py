"""Where an edit takes place: m in {0, 1} at the vertices of a lattice over [-1, 1]^3, indexed [z, y, x]."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import KDTree
from torch import Tensor

from dream3d.geometry.signed_distance import inside
from dream3d.types import Mesh

VISIBLE = 0.06  # difference of a colour channel (0 to 1) from which a colour is another
BAND = 2.0  # lattice steps from a surface within which colours are compared


def lattice(vertices: int) -> Float[Tensor, "z y x 3"]:
    """The points (x, y, z)."""
    axis = torch.linspace(-1, 1, vertices)
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.stack((x, y, z), dim=-1)


def box(corners: Sequence[float | int], vertices: int) -> Float[Tensor, "z y x"]:
    """1 in the box [x, y, z, x, y, z], borders included."""
    points = lattice(vertices)
    low, high = torch.tensor(corners[:3]), torch.tensor(corners[3:])
    return ((points >= low) & (points <= high)).all(-1).float()


def where_shapes_differ(a: Mesh, b: Mesh, vertices: int) -> Float[Tensor, "z y x"]:
    """1 where only one of two coloured shapes is, and near a surface of theirs where their colours differ."""
    points = lattice(vertices).reshape(-1, 3)
    (far_a, colour_a), (far_b, colour_b) = nearest(a, points), nearest(b, points)
    near = torch.minimum(far_a, far_b) < BAND * 2 / (vertices - 1)
    changed = near & ((colour_a - colour_b).abs().amax(-1) > VISIBLE)
    if not torch.equal(a.vertices, b.vertices):
        framed = ((points >= extent(a, b)[0]) & (points <= extent(a, b)[1])).all(-1).nonzero().squeeze(1)
        changed[framed] |= inside(a, points[framed]) != inside(b, points[framed])
    return changed.float().view(vertices, vertices, vertices)


def extent(a: Mesh, b: Mesh) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """The least and the greatest corner of the box round both."""
    both = torch.cat((a.vertices, b.vertices))
    return both.amin(0), both.amax(0)


def nearest(mesh: Mesh, points: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
    """Distance and colour of the nearest vertex."""
    assert mesh.colours is not None
    distance, index = KDTree(mesh.vertices.numpy()).query(points.numpy())
    return torch.from_numpy(np.asarray(distance, dtype=np.float32)), mesh.colours[torch.as_tensor(index)]


def widened(region: Float[Tensor, "z y x"], margin: int) -> Float[Tensor, "z y x"]:
    """Grown by ``margin`` vertices along every axis (a box of 2 margin + 1)."""
    if margin == 0:
        return region
    return torch.nn.functional.max_pool3d(region[None, None], 2 * margin + 1, stride=1, padding=margin)[0, 0]
