"""A signed distance has a gradient of unit length."""

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.surfaces import crossed, grid_of, mean
from dream3d.types import Render


def eikonal(render: Render) -> Float[Tensor, ""]:
    """``mean (|grad s| - 1)^2`` over the cells that the surface runs through (IGR, arXiv 2002.10099).

    For three directions p, q, r across a cell and the differences u, v, w of s along them, g solves
    ``[p, q, r] g = [u, v, w]``: exact where s is linear, as it is in a tetrahedron.
    """
    grid = grid_of(render, "eikonal")
    cells = crossed(grid)
    p, q, r = across(grid.nodes[cells])
    u, v, w = across(grid.sdf[cells][..., None])
    qr, rp, pq = torch.linalg.cross(q, r), torch.linalg.cross(r, p), torch.linalg.cross(p, q)
    volume = (p * qr).sum(-1, keepdim=True)
    gradient = (u * qr + v * rp + w * pq) / volume
    return mean((gradient.norm(dim=-1) - 1).square())


def across(corner: Float[Tensor, "t k d"]) -> tuple[Float[Tensor, "t d"], ...]:
    """Three independent differences: of a tetrahedron's first corner to the others; between the means of
    opposite sides of a cube."""
    if corner.shape[1] == 4:
        return (corner[:, 1:] - corner[:, :1]).unbind(1)
    cube = corner.view(-1, 2, 2, 2, corner.shape[-1])
    return tuple((cube.select(axis, 1) - cube.select(axis, 0)).mean(dim=(1, 2)) for axis in (1, 2, 3))
