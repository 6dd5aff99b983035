"""A surface that can be moved: signed distances and offsets on a lattice of cubes, and weights in every cube.

FlexiCubes (arXiv 2308.05371): the weights say where in its cube a vertex of the surface is, so that sharp
edges and flat sides need no finer lattice. Distances, offsets and colour are as for ``DMTet``.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dream3d.contracts import ParameterGroup
from dream3d.fields.movable import Distance, Movable
from dream3d.geometry.flexicubes import Weights, flexicubes
from dream3d.geometry.lattice import crossed, cubes
from dream3d.types import Mesh, SignedGrid


class FlexiCubes(Movable):
    """An ``Explicit`` field.

    ``resolution`` cubes across the unit ball; ``levels`` are the sizes of the coarser grids. Nodes move at
    most ``reach`` of a cube's size (below 0.5 no cube folds over). Weights are ``1 + tanh`` (alpha, beta) and
    ``sigmoid`` (gamma) of numbers that start at 0 and are trained at ``weight_scale`` of the rate.
    The other knobs are those of ``Movable``.
    """

    cubes: Tensor

    def __init__(
        self,
        *,
        appearance: nn.Module,
        distance: Distance,
        resolution: int = 48,
        levels: Sequence[int] = (6, 12, 24),
        reach: float = 0.4,
        lr_scale: float = 1.0,
        weight_scale: float = 1.0,
        colour_scale: float = 1.0,
        material: Callable[[], nn.Module] | None = None,
    ) -> None:
        nodes, cells = cubes(resolution)
        super().__init__(
            nodes,
            2 / resolution,
            appearance=appearance,
            distance=distance,
            levels=levels,
            reach=reach,
            lr_scale=lr_scale,
            colour_scale=colour_scale,
            material=material,
        )
        self.register_buffer("cubes", cells, persistent=False)
        self.weight_scale = weight_scale
        self.weights = nn.Parameter(torch.zeros(len(cells), 21))

    def extract(self) -> tuple[Mesh, SignedGrid]:
        """The surface and its cubes. Raises ValueError when there is no surface left."""
        offset, sdf = self.moved(), self.closed()
        nodes = self.nodes + offset
        near = crossed(sdf, self.cubes).nonzero().squeeze(1)
        alpha, beta, gamma = self.weights[near].split((8, 12, 1), dim=1)
        weights = Weights(1 + torch.tanh(alpha), 1 + torch.tanh(beta), torch.sigmoid(gamma[:, 0]))
        cells = self.cubes[near]
        mesh, deviation = flexicubes(nodes, sdf, cells, weights)
        return mesh, SignedGrid(nodes, offset, sdf, cells, self.spacing, deviation)

    def parameter_groups(self) -> list[ParameterGroup]:
        weights: ParameterGroup = {
            "params": [self.weights],
            "name": "weights",
            "lr_scale": self.lr_scale * self.weight_scale,
        }
        return [*super().parameter_groups(), weights]
