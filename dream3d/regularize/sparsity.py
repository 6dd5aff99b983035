"""Most of space should be empty."""

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.rays import volumetric
from dream3d.types import Render


def sparsity(render: Render, c: float = 0.5) -> Float[Tensor, ""]:
    """``mean over rays of sum_i delta_i log(1 + sigma_i^2 / c)``: a Cauchy loss on density.

    SNeRG (arXiv 2103.14645), made an integral along the ray by the lengths delta, so that
    neither the number of steps nor skipping empty ones changes it.
    """
    samples, _, _, length = volumetric(render, "sparsity")
    if render.density is None:
        raise ValueError("sparsity: got a render without densities, expected volume rendering")
    return (length * torch.log1p(render.density.square() / c)).sum() / samples.n_rays
