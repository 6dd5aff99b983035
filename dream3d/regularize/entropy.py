"""A pixel is object or background, not both."""

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.types import Render


def entropy(render: Render, floor: float = 1e-3) -> Float[Tensor, ""]:
    """``mean -(a log a + (1 - a) log(1 - a))``, the binary entropy of alpha in nats, over pixels.

    a is alpha kept inside [floor, 1 - floor]; outside there is no gradient. Latent-NeRF
    (arXiv 2211.07600); the "opaque" loss of threestudio.
    """
    a = render.image.alpha.clamp(floor, 1 - floor)
    return -(torch.xlogy(a, a) + torch.xlogy(1 - a, 1 - a)).mean()
