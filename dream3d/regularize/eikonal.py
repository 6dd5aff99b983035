"""A signed distance grows by one a unit of length."""

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.surfaces import grid_of
from dream3d.types import Render


def eikonal(render: Render) -> Float[Tensor, ""]:
    """``mean (|grad s| - 1)^2`` over the tetrahedra that the surface runs through (IGR, arXiv 2002.10099).

    In a tetrahedron s is linear, and its gradient is g with ``[b - a, c - a, d - a] g = s_{b,c,d} - s_a``.
    """
    grid = grid_of(render, "eikonal")
    inside = (grid.sdf.detach() < 0)[grid.tets].sum(1)
    tets = grid.tets[(inside > 0) & (inside < 4)]
    corner, s = grid.nodes[tets], grid.sdf[tets]
    p, q, r = (corner[:, 1:] - corner[:, :1]).unbind(1)
    u, v, w = (s[:, 1:] - s[:, :1]).unsqueeze(-1).unbind(1)
    qr, rp, pq = torch.linalg.cross(q, r), torch.linalg.cross(r, p), torch.linalg.cross(p, q)
    volume = (p * qr).sum(-1, keepdim=True)
    gradient = (u * qr + v * rp + w * pq) / volume
    return (gradient.norm(dim=-1) - 1).square().mean()
