"""keep=shape: densities that go with the source's."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.contracts import Pair
from dream3d.metrics.correlation import pearson


def density_correlation(pair: Pair, generator: Generator, *, points: int = 16384) -> Float[Tensor, ""]:
    """``1 - corr(density, density of the source)``: Vox-E's volumetric regulariser (arXiv 2303.12048, Eq. 4), in
    [0, 2] and 0 for densities that are a positive multiple of each other, so that a shape may become more solid.

    Vox-E takes the voxels of its grid; here it is ``points`` points uniform in the ball, so that any field will do.
    """
    x = in_ball(points, generator).to(parameter_device(pair))
    with torch.no_grad():
        before = pair.source.density(x)
    now = pair.field.density(x)
    return 1 - pearson(now, before)


def in_ball(points: int, generator: Generator) -> Float[Tensor, "n 3"]:
    """Uniform in the unit ball, on the CPU."""
    direction = torch.nn.functional.normalize(torch.randn(points, 3, generator=generator), dim=1)
    return direction * torch.rand(points, 1, generator=generator) ** (1 / 3)


def parameter_device(pair: Pair) -> torch.device:
    """Where the pair is."""
    return pair.render.image.alpha.device
