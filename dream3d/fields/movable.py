"""What every movable surface has: signed distances and offsets on the nodes of a lattice, and a colour.

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

from dream3d.types import Surface

Distance = Callable[[Tensor], Tensor]
OPAQUE = 1e4


class Movable(nn.Module):
    """Nodes with trainable signed distances and offsets, and an appearance; ``Tets`` and ``FlexiCubes`` make
    a mesh of them.

    Distances are learned in units of ``spacing``, so that one rate fits all resolutions; nodes move at most
    ``reach`` of it, by ``tanh``. ``levels`` are the sizes of the coarser grids. ``distance`` gives the signed
    distances to start from; ``appearance`` is a field whose colours are used, and trained at
    ``colour_scale`` of the rate. ``material`` makes a ``Material``, if the surface is to have one.
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
        super().__init__()
        self.spacing, self.reach, self.lr_scale, self.colour_scale = spacing, reach, lr_scale, colour_scale
        self.register_buffer("nodes", nodes, persistent=False)
        # Nodes outside the ball stay outside the object: the surface is closed.
        self.register_buffer("shell", nodes.norm(dim=1) > 1 - 0.5 * spacing, persistent=False)
        self.sdf = nn.Parameter(distance(nodes) / spacing)
        self.coarse = nn.ParameterList(torch.zeros(1, 1, n, n, n) for n in levels)
        self.offset = nn.Parameter(torch.zeros_like(nodes))
        self.appearance = appearance
        self.material = None if material is None else material()

    def at_step(self, step: int) -> None:
        """Passed on to the appearance."""
        if hasattr(self.appearance, "at_step"):
            self.appearance.at_step(step)  # type: ignore[operator]

    def distances(self) -> Float[Tensor, " n"]:
        """In units of ``spacing``: free numbers plus what the coarser grids say (trilinear)."""
        extent = 1 + self.spacing
        where = (self.nodes / extent)[None, None, None].flip(
            -1
        )  # grid_sample counts x, y, z from the last axis
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

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """A surface is opaque, wherever it is."""
        return x.new_full((len(x),), OPAQUE)

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        """The appearance's colour."""
        return Surface(self.density(x), self.appearance.surface(x).colour)  # type: ignore[operator]

    def parameter_groups(self) -> list[dict[str, Any]]:
        shape = {"params": [self.sdf, *self.coarse, self.offset], "name": "shape", "lr_scale": self.lr_scale}
        groups = self.appearance.parameter_groups()  # type: ignore[operator]
        scaled = [{**g, "lr_scale": self.colour_scale * g["lr_scale"]} for g in groups]
        material = [] if self.material is None else self.material.parameter_groups()  # type: ignore[operator]
        return [shape, *scaled, *material]
