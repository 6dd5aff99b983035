"""A surface that can be moved: signed distances and offsets on a lattice of tetrahedra, colour from a field.

DMTet (arXiv 2111.04276) as in the second stage of Magic3D (arXiv 2211.10440): both are free parameters of
every node, started from the coarse stage's surface; the coarse field goes on as the colour.

A picture says nothing of a node that is not beside an outline, and marching uses only nodes beside the
surface: alone, they follow slowly and unevenly. Distances are therefore a sum over grids from coarse to
fine; a gradient at one node moves its whole neighbourhood, the more so the coarser the grid.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.fields.lattice import lattice
from dream3d.mesh.marching_tets import marching_tets
from dream3d.types import Mesh, SignedGrid, Surface

Distance = Callable[[Tensor], Tensor]
OPAQUE = 1e4


class Tets(nn.Module):
    """An ``Explicit`` field.

    ``resolution`` cubes across the unit ball; ``levels`` are the sizes of the coarser grids. Distances are
    learned in units of a cube's size, so that one rate fits all resolutions; nodes move at most ``reach`` of
    that size, by ``tanh``, which turns no tetrahedron inside out below 0.25. ``distance`` gives the signed
    distances to start from; ``appearance`` is a field whose colours are used, and
    trained at ``colour_scale`` of the rate.
    """

    nodes: Tensor
    tets: Tensor
    shell: Tensor

    def __init__(
        self,
        *,
        appearance: nn.Module,
        distance: Distance,
        resolution: int = 48,
        levels: Sequence[int] = (6, 12, 24),
        reach: float = 0.2,
        lr_scale: float = 1.0,
        colour_scale: float = 1.0,
    ) -> None:
        super().__init__()
        nodes, tets = lattice(resolution)
        self.spacing = 2 / resolution
        self.reach, self.lr_scale, self.colour_scale = reach, lr_scale, colour_scale
        self.register_buffer("nodes", nodes, persistent=False)
        self.register_buffer("tets", tets, persistent=False)
        # Nodes outside the ball stay outside the object: the surface is closed.
        self.register_buffer("shell", nodes.norm(dim=1) > 1 - 0.5 * self.spacing, persistent=False)
        self.sdf = nn.Parameter(distance(nodes) / self.spacing)
        self.coarse = nn.ParameterList(torch.zeros(1, 1, n, n, n) for n in levels)
        self.offset = nn.Parameter(torch.zeros_like(nodes))
        self.appearance = appearance

    def at_step(self, step: int) -> None:
        """Passed on to the appearance."""
        if hasattr(self.appearance, "at_step"):
            self.appearance.at_step(step)  # type: ignore[operator]

    def distances(self) -> Float[Tensor, " n"]:
        """In cubes: free numbers plus what the coarser grids say (trilinear)."""
        extent = 1 + self.spacing
        where = (self.nodes / extent)[None, None, None].flip(
            -1
        )  # grid_sample counts x, y, z from the last axis
        total = self.sdf
        for grid in self.coarse:
            total = total + F.grid_sample(grid, where, align_corners=True)[0, 0, 0, 0]
        return total

    def grid(self) -> SignedGrid:
        offset = self.reach * self.spacing * torch.tanh(self.offset)
        sdf = self.distances()
        sdf = torch.where(self.shell, sdf.clamp(min=1e-3), sdf) * self.spacing
        return SignedGrid(self.nodes + offset, offset, sdf, self.tets, self.spacing)

    def mesh(self) -> Mesh:
        """The surface. Raises ValueError when there is none left."""
        grid = self.grid()
        return marching_tets(grid.nodes, grid.sdf, grid.tets)

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """A surface is opaque, wherever it is."""
        return x.new_full((len(x),), OPAQUE)

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        """The appearance's colour."""
        return Surface(self.density(x), self.appearance.surface(x).colour)  # type: ignore[operator]

    def parameter_groups(self) -> list[dict[str, Any]]:
        shape = {"params": [self.sdf, *self.coarse, self.offset], "name": "shape", "lr_scale": self.lr_scale}
        groups = self.appearance.parameter_groups()  # type: ignore[operator]
        return [shape, *({**g, "lr_scale": self.colour_scale * g["lr_scale"]} for g in groups)]
