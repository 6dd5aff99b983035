"""Space along rays should be empty, faint haze above all."""

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.rays import volumetric
from dream3d.types import Render

DIAMETER = 2.0


def emptiness(render: Render, scale: float = 10.0) -> Float[Tensor, ""]:
    """``mean over rays and steps of log(1 + scale w)`` (SJC, arXiv 2212.00774).

    The logarithm pulls hardest where weights are small, at haze. A step counts by its fraction of the
    ball's diameter, so that skipped steps (w = 0) need not be there.
    """
    samples, weights, _, length = volumetric(render, "emptiness")
    share = length / DIAMETER
    return (share * torch.log1p(scale * weights)).sum() / samples.n_rays
