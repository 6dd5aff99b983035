"""From a gradient to a loss that autograd can use."""

from jaxtyping import Float
from torch import Tensor

from dream3d.types import Distilled


def distilled(x: Float[Tensor, "b *d"], grad: Float[Tensor, "b *d"]) -> Distilled:
    """The loss ``0.5 ||x - sg(x - grad)||^2 / b``, whose gradient with respect to x is ``grad / b``.

    It is written as ``x - sg(x) + grad``, which is the same without rounding grad away beside x.
    """
    grad = grad.detach()
    residual = x - x.detach() + grad
    return Distilled(loss=0.5 * residual.float().square().sum() / len(x), grad=grad)
