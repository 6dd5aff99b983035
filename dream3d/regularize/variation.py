"""Neighbouring values of a parameter grid (or an image) should be similar."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def total_variation(x: Float[Tensor, "n c *grid"]) -> Float[Tensor, ""]:
    """``sum over the grid's axes of mean (x_{i+1} - x_i)^2``: squared total variation
    (Rudin, Osher and Fatemi 1992; TensoRF, arXiv 2203.09517).

    The grid is whatever follows n and c: two axes for planes and pictures, three for voxels.
    """
    return sum((x.diff(dim=axis).square().mean() for axis in range(2, x.ndim)), x.new_zeros(()))


def field_variation(field: nn.Module) -> Float[Tensor, ""]:
    """The total variation of all parameters of a field that are grids (``n c h w`` or ``n c d h w``)."""
    grids = [p for p in field.parameters() if p.ndim >= 4]
    if not grids:
        raise ValueError("field_variation: got a field without planes or voxels; switch it off")
    return torch.stack([total_variation(p) for p in grids]).sum()
