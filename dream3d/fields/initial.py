"""Offsets added to the raw density before its activation, so that training starts from a soft blob.

Without one, a field starts as haze; score distillation then often ends with an empty or a solid ball.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def gaussian(x: Float[Tensor, "n 3"], peak: float = 5.0, sigma: float = 0.2) -> Float[Tensor, " n"]:
    """``peak exp(-|x|^2 / (2 sigma^2))``: DreamFusion (arXiv 2209.14988, appendix A.2: 5 and 0.2)."""
    return peak * torch.exp(-(x * x).sum(-1) / (2 * sigma**2))


def cone(x: Float[Tensor, "n 3"], peak: float = 10.0, radius: float = 0.5) -> Float[Tensor, " n"]:
    """``peak (1 - |x| / radius)``, negative outside: Magic3D (arXiv 2211.10440: 10 and 0.5)."""
    # The gradient of |x| at the origin is taken as 0 (torch's), which normals there rely on.
    return peak * (1 - x.norm(dim=-1) / radius)


def level(x: Float[Tensor, "n 3"], value: float = 0.0) -> Float[Tensor, " n"]:
    """The same ``value`` everywhere: 0 for no blob, -1 for the density shift of SJC (arXiv 2212.00774)."""
    return x.new_full((len(x),), value)
