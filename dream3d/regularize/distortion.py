"""Weights along a ray should be concentrated."""

from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.rays import sum_before, volumetric
from dream3d.types import Render


def distortion(render: Render) -> Float[Tensor, ""]:
    """``sum_ij w_i w_j |t_i - t_j| + 1/3 sum_i w_i^2 delta_i``, averaged over rays.

    mip-NeRF 360 (arXiv 2111.12077, equation 15) in world lengths. Samples are sorted, so the double sum
    is ``2 sum_i w_i (t_i sum_{j<i} w_j - sum_{j<i} w_j t_j)``: linear time (DVGOv2, arXiv 2206.05085).
    """
    samples, w, t, length = volumetric(render, "distortion")
    weight = sum_before(w, samples.ray, samples.n_rays)
    moment = sum_before(w * t, samples.ray, samples.n_rays)
    between = 2 * (w * (t * weight - moment)).sum()
    within = (w.square() * length).sum() / 3
    return (between + within) / samples.n_rays
