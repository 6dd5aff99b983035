"""Normals of neighbouring pixels should be similar."""

from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.variation import total_variation
from dream3d.types import Render


def normal_smoothness(render: Render) -> Float[Tensor, ""]:
    """``mean |n_{y+1} - n_y|^2 / 3 + mean |n_{x+1} - n_x|^2 / 3`` of the rendered, premultiplied normals.

    The smoothness in picture space of stable-dreamfusion, after RegNeRF's of depth (arXiv 2112.00724).
    Raises ValueError if the render has no normals.
    """
    if render.normal is None:
        raise ValueError("normal_smoothness: got a render without normals; render with analytic or finite")
    return total_variation(render.normal.permute(0, 3, 1, 2))
