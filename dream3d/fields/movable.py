"""What every movable surface has: signed distances and offsets on the nodes of a lattice, and a colour.

A picture says nothing of a node that is not beside an outline, and marching uses only nodes beside the
surface: alone, they follow slowly and unevenly. Distances are therefore a sum over grids from coarse to
fine; a gradient at one node moves its whole neighbourhood, the more so the coarser the grid.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.contracts import ParameterGroup
from dream3d.fields.coloured import Coloured

Distance = Callable[[Tensor], Tensor]


class Movable(Coloured):
    """Nodes with trainable signed distances and offsets, and an appearance; ``DMTet`` and ``FlexiCubes`` make
    a mesh of them.

    Distances are learned in units of ``spacing``, so that one rate fits all resolutions; nodes move at most
    ``reach`` of it, by ``tanh``. ``levels`` are the sizes of the coarser grids. ``distance`` gives the signed
    distances to start from; the rest is as in ``Coloured``.
    """

    moves = True  # so that it wants a closed mesh to start from
    nodes: Tensor
    shell: Tensor

    def __init__(
        self,
        nodes: Float[Tensor, "n 3"],
        spacing: float,
        *,
        appearance: nn.Module,
        distance: Distance,
        levels: Sequence[int],
        reach: float,
        lr_scale: float,
        colour_scale: float,
        material: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__(appearance, colour_scale, material)
        self.spacing, self.reach, self.lr_scale = spacing, reach, lr_scale
        self.register_buffer("nodes", nodes, persistent=False)
        # Nodes outside the ball stay outside the object: the surface is closed.
        self.register_buffer("shell", nodes.norm(dim=1) > 1 - 0.5 * spacing, persistent=False)
        self.sdf = nn.Parameter(distance(nodes) / spacing)
        self.coarse = nn.ParameterList(torch.zeros(1, 1, n, n, n) for n in levels)
        self.offset = nn.Parameter(torch.zeros_like(nodes))

    def distances(self) -> Float[Tensor, " n"]:
        """In units of ``spacing``: free numbers plus what the coarser grids say (trilinear)."""
        extent = 1 + self.spacing
        where = (self.nodes / extent)[None, None, None].flip(-1)  # grid_sample counts x, y, z from the last axis
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
        shape = [self.sdf, *self.coarse, self.offset]
        return [{"params": shape, "name": "shape", "lr_scale": self.lr_scale}, *super().parameter_groups()]
