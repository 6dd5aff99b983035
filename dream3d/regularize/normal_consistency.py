"""Adjacent triangles should have similar normals."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.surfaces import mesh_of
from dream3d.types import Render


def normal_consistency(render: Render) -> Float[Tensor, ""]:
    """``sum_e w_e (1 - n_1 . n_2)`` over edges with two faces, w the fraction of the edge's length times its
    faces' area (fixed): slivers, which marching makes many of and whose normals are noise, hardly count.
    """
    mesh = mesh_of(render, "normal_consistency")
    f, n = mesh.faces, len(mesh.vertices)
    a, b, c = mesh.vertices[f].unbind(1)
    area = torch.linalg.cross(b - a, c - a)
    normal, size = F.normalize(area, dim=-1, eps=1e-12), area.detach().norm(dim=-1)
    half = torch.cat((f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]])).sort(dim=1).values
    key, order = torch.sort(half[:, 0] * n + half[:, 1])
    first = (key[1:] == key[:-1]).nonzero().squeeze(1)
    one, two = order[first] % len(f), order[first + 1] % len(f)
    weight = (size[one] * size[two]).sqrt()
    return (weight * (1 - (normal[one] * normal[two]).sum(-1))).sum() / weight.sum().clamp(min=1e-12)
