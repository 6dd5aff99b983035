"""Normals of triangles and of vertices."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def area_vectors(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "f 3"]:
    """``(b - a) x (c - a)`` of each triangle: along its normal by the right-hand rule, twice its area long."""
    a, b, c = vertices[faces].unbind(1)
    return torch.linalg.cross(b - a, c - a)


def face_normals(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "f 3"]:
    """Unit normals of the triangles by the right-hand rule; zero for degenerate ones."""
    return F.normalize(area_vectors(vertices, faces), dim=-1)


def smooth_normals(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "v 3"]:
    """Unit vertex normals: face normals weighted by area. Differentiable everywhere, slivers too."""
    weighted = area_vectors(vertices, faces).repeat(3, 1)
    total = torch.zeros_like(vertices).index_add(0, faces.t().reshape(-1), weighted)
    return F.normalize(total, dim=-1, eps=1e-12)


def vertex_normals(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "v 3"]:
    """Face normals weighted by area and by the angle at the vertex. Unit length; +y where a vertex has no
    proper face.

    The angle (Thuermer and Wuethrich 1998) makes the result independent of how a flat side is cut into
    triangles; the area silences slivers, whose own normals are noise.
    """
    corner = vertices[faces]
    weighted = area_vectors(vertices, faces)
    total = torch.zeros_like(vertices)
    for i in range(3):
        there = F.normalize(corner[:, (i + 1) % 3] - corner[:, i], dim=-1, eps=1e-20)
        back = F.normalize(corner[:, (i + 2) % 3] - corner[:, i], dim=-1, eps=1e-20)
        angle = torch.acos((there * back).sum(-1).clamp(-1, 1))
        total.index_add_(0, faces[:, i], angle[:, None] * weighted)
    unit = F.normalize(total, dim=-1, eps=1e-20)
    up = torch.tensor([0.0, 1.0, 0.0], dtype=vertices.dtype, device=vertices.device)
    return torch.where(unit.norm(dim=-1, keepdim=True) > 0.5, unit, up)
