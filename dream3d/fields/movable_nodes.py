"""Nodes of a lattice with trainable signed distances and offsets, from which ``DMTet`` and ``FlexiCubes``
extract a mesh.

An image constrains only nodes near a silhouette, and marching uses only nodes next to the surface: single nodes
would adapt slowly and unevenly. Distances are therefore a sum over grids from coarse to fine; a gradient at one node
moves its whole neighbourhood, the larger the coarser the grid.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.contracts import ParameterGroup

Distance = Callable[[Tensor], Tensor]


class MovableNodes(nn.Module):
    """``positions`` (n, 3) of nodes, ``spacing`` apart, and the signed distances and offsets learned on them.

    Distances are learned in units of ``spacing``, so that one learning rate suits all resolutions; nodes move at most
    ``reach`` of it, by ``tanh``. ``levels`` are the sizes of the coarser grids. ``distance`` gives the signed
    distances to start from. Trained at ``lr_scale`` of the rate.
    """

    positions: Tensor
    shell: Tensor

    def __init__(
        self,
        positions: Float[Tensor, "n 3"],
        spacing: float,
        *,
        distance: Distance,
        levels: Sequence[int],
        reach: float,
        lr_scale: float,
    ) -> None:
        super().__init__()
        self.spacing, self.reach, self.lr_scale = spacing, reach, lr_scale
        self.register_buffer("positions", positions, persistent=False)
        # Nodes outside the ball stay outside the object: the surface is closed.
        self.register_buffer("shell", positions.norm(dim=1) > 1 - 0.5 * spacing, persistent=False)
        self.sdf = nn.Parameter(distance(positions) / spacing)
        self.coarse = nn.ParameterList(torch.zeros(1, 1, n, n, n) for n in levels)
        self.offset = nn.Parameter(torch.zeros_like(positions))

    def distances(self) -> Float[Tensor, " n"]:
        """In units of ``spacing``: free values plus the coarser grids (trilinear)."""
        extent = 1 + self.spacing
        where = (self.positions / extent)[None, None, None].flip(-1)  # grid_sample counts from the last axis
        total = self.sdf
        for grid in self.coarse:
            total = total + F.grid_sample(grid, where, align_corners=True)[0, 0, 0, 0]
        return total

    def closed(self) -> Float[Tensor, " n"]:
        """Signed distances in the world's units, positive on the shell."""
        sdf = self.distances()
        return torch.where(self.shell, sdf.clamp(min=1e-3), sdf) * self.spacing

    def moved(self) -> Float[Tensor, "n 3"]:
        """The offsets of the nodes."""
        return self.reach * self.spacing * torch.tanh(self.offset)

    def parameter_groups(self) -> list[ParameterGroup]:
        return [{"params": [self.sdf, *self.coarse, self.offset], "name": "shape", "lr_scale": self.lr_scale}]
