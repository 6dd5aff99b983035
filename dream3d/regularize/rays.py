"""Sums along rays over packed samples, differentiable."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.types import Render, Samples


class Volumetric(NamedTuple):
    """The packed samples of a volume rendering: weights, midpoints t and lengths."""

    samples: Samples
    weights: Float[Tensor, " n"]
    t: Float[Tensor, " n"]
    length: Float[Tensor, " n"]


def volumetric(render: Render, name: str) -> Volumetric:
    """The samples of a render, or a ValueError that names the regulariser which needs them."""
    samples, weights = render.samples, render.weights
    if samples is None or weights is None:
        raise ValueError(f"{name}: got a render without samples, expected volume rendering; switch {name} off")
    return Volumetric(samples, weights, (samples.start + samples.end) / 2, samples.end - samples.start)


def ray_sum(x: Float[Tensor, " n"], ray: Int[Tensor, " n"], n_rays: int) -> Float[Tensor, " r"]:
    """The sum over each ray's samples."""
    return x.new_zeros(n_rays).index_add(0, ray, x)


def sum_before(x: Float[Tensor, " n"], ray: Int[Tensor, " n"], n_rays: int) -> Float[Tensor, " n"]:
    """The sum over the samples in front of each on its own ray; a running sum in float64, less the
    ray's start."""
    total = torch.cumsum(x, 0, dtype=torch.float64)
    before = torch.cat((total.new_zeros(1), total))
    starts = torch.searchsorted(ray, torch.arange(n_rays, dtype=ray.dtype, device=ray.device))
    return (before[:-1] - before[starts][ray]).to(x.dtype)
