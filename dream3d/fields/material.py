"""Roughness and metallic of a surface, on a coarse grid."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.contracts import ParameterGroup


class Material(nn.Module):
    """Roughness and metallic in (0, 1): sigmoids of trilinear grids of ``resolution`` nodes a side across the
    unit ball, which start at ``roughness`` and ``metallic``, trained at ``lr_scale`` of the rate.

    An image constrains the material only weakly, and most objects have few materials: hence the coarse grid.

    Raises:
        ValueError: a start outside (0, 1), or fewer than 2 nodes.
    """

    def __init__(
        self,
        *,
        resolution: int = 12,
        roughness: float = 0.7,
        metallic: float = 0.05,
        lr_scale: float = 1.0,
    ) -> None:
        super().__init__()
        for name, start in (("roughness", roughness), ("metallic", metallic)):
            if not 0 < start < 1:
                raise ValueError(f"material.{name}: got {start}, expected a number inside (0, 1)")
        if resolution < 2:
            raise ValueError(f"material.resolution: got {resolution}, expected at least 2")
        raw = torch.tensor([math.log(p / (1 - p)) for p in (roughness, metallic)])
        self.grid = nn.Parameter(raw.view(1, 2, 1, 1, 1).repeat(1, 1, *(resolution,) * 3))
        self.lr_scale = lr_scale

    def forward(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n 2"]:
        """Roughness and metallic at x."""
        where = x.flip(-1)[None, None, None]  # grid_sample counts x, y, z from the last axis
        raw = F.grid_sample(self.grid, where, padding_mode="border", align_corners=True)
        return torch.sigmoid(raw[0, :, 0, 0].T)

    def parameter_groups(self) -> list[ParameterGroup]:
        return [{"params": [self.grid], "name": "material", "lr_scale": self.lr_scale}]
