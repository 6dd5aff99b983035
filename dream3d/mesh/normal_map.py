"""A tangent-space normal map: the fine surface's directions as texels of the coarse one."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dream3d.geometry.normals import vertex_normals
from dream3d.geometry.ray_casting import Scene
from dream3d.mesh.bake import dilate
from dream3d.mesh.texels import rasterise
from dream3d.types import Mesh, Rays


def tangents(mesh: Mesh) -> tuple[Float[Tensor, "v 3"], Float[Tensor, " v"]]:
    """Unit tangents (towards growing u, orthogonal to the normals) and the bitangents' signs, a vertex each.

    b = sign * cross(n, t), as glTF 2.0 section 3.7.2.1 says. Triangles weigh by their angle at the vertex, as in
    MikkTSpace, which programs use where a file has no tangents; vertices on seams are double already.
    """
    assert mesh.uv is not None and mesh.normals is not None
    p, uv = mesh.vertices[mesh.faces], mesh.uv[mesh.faces]
    e1, e2, d1, d2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0], uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = d1[:, 0] * d2[:, 1] - d2[:, 0] * d1[:, 1]
    along = F.normalize((e1 * d2[:, 1:] - e2 * d1[:, 1:]) * area.sign()[:, None], dim=-1)
    total, sign = torch.zeros_like(mesh.vertices), torch.zeros(len(mesh.vertices))
    for i in range(3):
        a, b = F.normalize(p[:, (i + 1) % 3] - p[:, i], dim=-1), F.normalize(p[:, (i + 2) % 3] - p[:, i], dim=-1)
        angle = (a * b).sum(-1).clamp(-1, 1).acos()
        n = mesh.normals[mesh.faces[:, i]]
        flat = F.normalize(along - (along * n).sum(-1, keepdim=True) * n, dim=-1)
        total.index_add_(0, mesh.faces[:, i], angle[:, None] * flat)
        sign.index_add_(0, mesh.faces[:, i], angle * area.sign())
    total = total - (total * mesh.normals).sum(-1, keepdim=True) * mesh.normals
    return F.normalize(total, dim=-1), torch.where(sign < 0, -1.0, 1.0)


def normal_map(mesh: Mesh, fine: Mesh, size: int, *, reach: float = 0.05) -> Float[Tensor, "size size 3"]:
    """Texels 0.5 + 0.5 (t, b, n) of the fine surface's smooth normal, in the frame of the coarse one.

    Below each texel the fine surface is looked for along the normal, ``reach`` to both sides; where there is
    none the texel is flat, (0.5, 0.5, 1).

    Raises:
        ValueError: a mesh without uv.
    """
    if mesh.uv is None or mesh.normals is None:
        raise ValueError("normal map: got a mesh without uv or normals, expected an unwrapped one")
    tangent, sign = tangents(mesh)
    texels = rasterise(mesh.uv, mesh.faces, size)
    corners, share = mesh.faces[texels.face], texels.barycentric[..., None]
    point = (mesh.vertices[corners] * share).sum(1)
    n = F.normalize((mesh.normals[corners] * share).sum(1), dim=-1)
    t = (tangent[corners] * share).sum(1)
    t = F.normalize(t - (t * n).sum(-1, keepdim=True) * n, dim=-1)
    b = sign[corners[:, 0]][:, None] * torch.linalg.cross(n, t)
    f = fine_normals(fine, point, n, reach)
    local = F.normalize(torch.stack(((f * t).sum(-1), (f * b).sum(-1), (f * n).sum(-1)), dim=-1), dim=-1)
    texture, covered = torch.zeros(size, size, 3), torch.zeros(size, size, dtype=torch.bool)
    texture[texels.row, texels.column] = 0.5 + 0.5 * local
    covered[texels.row, texels.column] = True
    return dilate(texture, covered)


def fine_normals(
    fine: Mesh, point: Float[Tensor, "k 3"], normal: Float[Tensor, "k 3"], reach: float
) -> Float[Tensor, "k 3"]:
    """Smooth normals of the fine surface nearest to the points along their normals; the normals where it is not."""
    scene = Scene(fine.vertices, fine.faces)
    smooth = vertex_normals(fine.vertices, fine.faces) if fine.normals is None else fine.normals
    found, nearest = normal.clone(), torch.full((len(point),), reach)
    for side in (1.0, -1.0):
        hits = scene.cast(Rays((point - 1e-6 * side * normal)[None, None], (side * normal)[None, None]))
        met = (hits.face >= 0) & (hits.distance < nearest)
        there = (smooth[fine.faces[hits.face[met]]] * hits.barycentric[met][..., None]).sum(1)
        facing = (there * normal[met]).sum(-1) > 0  # not the far side of something thin
        index = met.nonzero().squeeze(1)[facing]
        found[index], nearest[index] = F.normalize(there[facing], dim=-1), hits.distance[index]
    return found
