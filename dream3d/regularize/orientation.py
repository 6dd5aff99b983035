"""Normals of visible samples must not face away from the camera."""

from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.rays import volumetric
from dream3d.types import Render


def orientation(render: Render) -> Float[Tensor, ""]:
    """``sum_i sg(w_i) max(0, n_i . d)^2``, averaged over the rays that hit something (alpha > 0).

    Ref-NeRF (arXiv 2112.03907, equation 11) with the weights held fixed, as DreamFusion
    (arXiv 2209.14988) has it: else the loss could be lowered by fading surfaces away.
    d is the ray's direction, away from the camera. Raises ValueError if the render has no normals.
    """
    samples, weights, _, _ = volumetric(render, "orientation")
    if render.normals is None or render.rays is None:
        raise ValueError("orientation: got a render without normals; render with normals analytic or finite")
    direction = render.rays.direction.reshape(-1, 3)[samples.ray]
    away = (render.normals * direction).sum(-1).clamp(min=0)
    seen = (render.image.alpha > 0).sum().clamp(min=1)
    return (weights.detach() * away.square()).sum() / seen
