"""Normals of a density: minus its gradient, normalised."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dream3d.types import Field

FLOOR = 1e-3
"""Gradients (density a unit length) shorter than this give normals shorter than 1: where the density is
flat the direction is noise, and dividing by it would let that noise dominate a loss on normals."""


def normals_finite(field: Field, x: Float[Tensor, "n 3"], eps: float = 0.01) -> Float[Tensor, "n 3"]:
    """Central differences: ``n_i ~ density(x - eps e_i) - density(x + eps e_i)``; 6 densities a point.

    Once differentiable with respect to the field is all it takes to train through it; a large
    ``eps`` also smooths (arXiv 2306.03092).
    """
    step = eps * torch.eye(3, dtype=x.dtype, device=x.device)
    points = torch.cat((x - step[:, None], x + step[:, None]))
    below, above = field.density(points.flatten(0, 1)).view(2, 3, len(x))
    return F.normalize((below - above).t() / (2 * eps), dim=-1, eps=FLOOR)


def normals_analytic(field: Field, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """``-grad density / |grad density|`` by automatic differentiation.

    Trains the field through a second derivative when gradients are enabled; 0 outside the ball.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(field.density(x).sum(), x, create_graph=create_graph)
    return F.normalize(-gradient, dim=-1, eps=FLOOR)
