"""A vertex should be at the mean of its neighbours."""

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.surfaces import mean, mesh_of
from dream3d.types import Render


def laplacian(render: Render) -> Float[Tensor, ""]:
    """``mean_i |mean_{j ~ i} v_j - v_i|^2 / l^2``: the uniform Laplacian (Nealen et al. 2006), l^2 the mean
    squared edge length (fixed), so that the resolution of the mesh does not matter."""
    mesh = mesh_of(render, "laplacian")
    f, v = mesh.faces, mesh.vertices
    start, end = f.t().reshape(-1), f[:, [1, 2, 0]].t().reshape(-1)
    total = torch.zeros_like(v).index_add(0, start, v[end]).index_add(0, end, v[start])
    degree = torch.bincount(torch.cat((start, end)), minlength=len(v)).clamp(min=1)
    length = mean((v[start] - v[end]).detach().square().sum(-1))
    return mean((total / degree[:, None] - v).square().sum(-1)) / length.clamp(min=1e-12)
