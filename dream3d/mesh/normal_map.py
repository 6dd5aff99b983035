"""Bakes a tangent-space normal map: normals of the fine surface as texels of the coarse mesh."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dream3d.mesh.bake import dilate
from dream3d.mesh.beneath import REACH, Fine
from dream3d.mesh.texels import rasterise_uv
from dream3d.types import Mesh


def tangents(mesh: Mesh) -> tuple[Float[Tensor, "v 3"], Float[Tensor, " v"]]:
    """Unit tangents (towards growing u, orthogonal to the normals) and the bitangents' signs, per vertex.

    b = sign * cross(n, t), as glTF 2.0 section 3.7.2.1 says. Triangles weigh by their angle at the vertex, as in
    MikkTSpace (Mikkelsen 2008), which programs use where a file has no tangents; vertices on seams are double
    already.
    """
    assert mesh.uv is not None and mesh.normals is not None
    p, uv, normals = mesh.vertices.double()[mesh.faces], mesh.uv.double()[mesh.faces], mesh.normals.double()
    e1, e2, d1, d2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0], uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = d1[:, 0] * d2[:, 1] - d2[:, 0] * d1[:, 1]
    along = F.normalize((e1 * d2[:, 1:] - e2 * d1[:, 1:]) * area.sign()[:, None], dim=-1)
    total, sign = torch.zeros_like(normals), torch.zeros_like(normals[:, 0])
    for i in range(3):
        a, b = F.normalize(p[:, (i + 1) % 3] - p[:, i], dim=-1), F.normalize(p[:, (i + 2) % 3] - p[:, i], dim=-1)
        angle = (a * b).sum(-1).clamp(-1, 1).acos()
        flat = F.normalize(across(along, normals[mesh.faces[:, i]]), dim=-1)
        total.index_add_(0, mesh.faces[:, i], angle[:, None] * flat)
        sign.index_add_(0, mesh.faces[:, i], angle * area.sign())
    total = across(total, normals)
    # Where uv have no area, any direction in the plane will do: the least aligned axis.
    axis = F.one_hot(normals.abs().argmin(1), 3).to(total)
    total = torch.where(total.norm(dim=1, keepdim=True) > 1e-8, total, across(axis, normals))
    return F.normalize(total, dim=-1).float(), torch.where(sign < 0, -1.0, 1.0)


def across(v: Float[Tensor, "n 3"], normal: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """The component of v orthogonal to the unit normal."""
    return v - (v * normal).sum(-1, keepdim=True) * normal


def normal_map(mesh: Mesh, fine: Fine, size: int, *, reach: float = REACH) -> Float[Tensor, "size size 3"]:
    """Texels 0.5 + 0.5 (t, b, n) of the fine surface's smooth normal, in the frame of the coarse one.

    Below each texel the fine surface is looked for along the normal (``Fine.beneath``); where there is none the
    texel is flat, (0.5, 0.5, 1).

    Raises:
        ValueError: a mesh without uv or normals.
    """
    if mesh.uv is None or mesh.normals is None:
        raise ValueError("normal map: got a mesh without uv or normals, expected an unwrapped one")
    tangent, sign = tangents(mesh)
    texels = rasterise_uv(mesh.uv, mesh.faces, size)
    corners, share = mesh.faces[texels.face], texels.barycentric[..., None]
    point = (mesh.vertices[corners] * share).sum(1)
    n = F.normalize((mesh.normals[corners] * share).sum(1), dim=-1)
    t = F.normalize(across((tangent[corners] * share).sum(1), n), dim=-1)
    b = sign[corners[:, 0]][:, None] * torch.linalg.cross(n, t)
    f = fine.beneath(point, n, reach).normal
    local = F.normalize(torch.stack(((f * t).sum(-1), (f * b).sum(-1), (f * n).sum(-1)), dim=-1), dim=-1)
    texture, covered = torch.zeros(size, size, 3), torch.zeros(size, size, dtype=torch.bool)
    texture[texels.row, texels.column] = 0.5 + 0.5 * local
    covered[texels.row, texels.column] = True
    return dilate(texture, covered)
