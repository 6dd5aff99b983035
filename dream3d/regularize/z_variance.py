"""Surfaces should be thin along the ray."""

from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.rays import ray_sum, volumetric
from dream3d.types import Render


def z_variance(render: Render, opaque: float = 0.5) -> Float[Tensor, ""]:
    """``sum_i p_i (t_i - mean t)^2`` with p_i = w_i / sum w, averaged over rays with alpha > ``opaque``.

    HiFA (arXiv 2305.18766); the weights are divided by their sum, without which an
    absorbing ray could lower its variance by letting light through. 0 if no ray is opaque.
    """
    samples, w, t, _ = volumetric(render, "z_variance")
    ray, n_rays = samples.ray, samples.n_rays
    total = ray_sum(w, ray, n_rays).clamp(min=1e-6)
    mean = ray_sum(w * t, ray, n_rays) / total
    variance = ray_sum(w * (t - mean[ray]).square(), ray, n_rays) / total
    chosen = (total > opaque).to(variance.dtype)
    return (variance * chosen).sum() / chosen.sum().clamp(min=1)
