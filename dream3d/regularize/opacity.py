"""The object should cover little of the image."""

from jaxtyping import Float
from torch import Tensor

from dream3d.types import Render


def opacity(render: Render) -> Float[Tensor, ""]:
    """``mean sqrt(alpha^2 + 0.01)`` over pixels (DreamFusion, arXiv 2209.14988).

    Nearly the mean opacity, with a gradient that fades out at alpha = 0.
    """
    return (render.image.alpha.square() + 0.01).sqrt().mean()
