"""Depth of a render against a depth map of unknown scale: ranks of pairs, correlation, scale and shift.

Only pixels of the object count (alpha of the picture above a half); the render's depth is its expected distance divided
by its alpha. Without a depth map each loss is None.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.metrics.correlation import pearson
from dream3d.reference.target import Target
from dream3d.types import Render

LEAST = 0.01  # alpha that a depth is divided by, at least


def depths(render: Render, target: Target) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]] | None:
    """(render's, map's) of the object's pixels; None without a map, or with less than two pixels."""
    inside = target.image.alpha[..., 0] > 0.5
    if target.depth is None or int(inside.sum()) < 2:
        return None
    found = render.depth / render.image.alpha.clamp(min=LEAST)
    return found[inside][:, 0], target.depth[inside][:, 0]


def depth_rank(
    render: Render, target: Target, generator: Generator, *, pairs: int = 2048, margin: float = 0.0
) -> Float[Tensor, ""] | None:
    """``mean max(0, margin - sign(d*_i - d*_j) (d_i - d_j))`` of random pairs (NeuralLift-360, arXiv 2211.16431, Eq. 5;
    there of all pairs)."""
    both = depths(render, target)
    if both is None:
        return None
    found, wanted = both
    i, j = torch.randint(len(found), (2, pairs), generator=generator).to(found.device)
    sign = (wanted[i] - wanted[j]).sign()
    return (margin * sign.abs() - sign * (found[i] - found[j])).clamp(min=0).mean()


def depth_pearson(render: Render, target: Target, generator: Generator) -> Float[Tensor, ""] | None:
    """``1 - corr(d, d*)``, in [0, 2] (Magic123, arXiv 2306.17843)."""
    both = depths(render, target)
    if both is None:
        return None
    return 1 - pearson(*both)


def depth_scaled(render: Render, target: Target, generator: Generator) -> Float[Tensor, ""] | None:
    """``mean (a d* + b - d)^2`` with the best a >= 0 and b (threestudio's lambda_depth, where a may be below 0)."""
    both = depths(render, target)
    if both is None:
        return None
    found, wanted = both
    centred = wanted - wanted.mean()
    with torch.no_grad():  # at the minimum the gradient does not depend on how a and b change
        a = (centred * (found - found.mean())).sum() / centred.square().sum().clamp(min=1e-12)
        a = a.clamp(min=0)
        b = found.mean()
    return (a * centred + b - found).square().mean()
