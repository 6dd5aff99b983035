"""FlexiCubes: signed distances and offsets on a cubic lattice, with weights for every cube.

FlexiCubes (arXiv 2308.05371): the weights place each surface vertex within its cube, so that sharp edges
and flat faces need no finer lattice. Distances and offsets are as for ``DMTet``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dream3d.contracts import ParameterGroup
from dream3d.fields.movable_nodes import Distance, MovableNodes
from dream3d.geometry.flexicubes import Weights, flexicubes
from dream3d.geometry.lattice import crossed, cubes
from dream3d.types import Mesh, SignedGrid


class FlexiCubes(nn.Module):
    """The shape of a ``MeshField``.

    ``resolution`` cubes across the unit ball. Nodes move at most ``reach`` of a cube's size (below 0.5 no cube
    folds over). Weights are ``1 + tanh`` (alpha, beta) and ``sigmoid`` (gamma) of numbers that start at 0 and
    are trained at ``weight_scale`` of the nodes' rate. The other arguments are those of ``MovableNodes``.
    """

    cubes: Tensor

    def __init__(
        self,
        distance: Distance,
        *,
        resolution: int,
        levels: Sequence[int],
        reach: float,
        lr_scale: float,
        weight_scale: float,
    ) -> None:
        super().__init__()
        positions, cells = cubes(resolution)
        self.nodes = MovableNodes(
            positions, 2 / resolution, distance=distance, levels=levels, reach=reach, lr_scale=lr_scale
        )
        self.register_buffer("cubes", cells, persistent=False)
        self.weight_scale = weight_scale
        self.weights = nn.Parameter(torch.zeros(len(cells), 21))

    def extract(self) -> tuple[Mesh, SignedGrid]:
        """The surface and its cubes. Raises ValueError when there is no surface left."""
        offset, sdf = self.nodes.moved(), self.nodes.closed()
        positions = self.nodes.positions + offset
        near = crossed(sdf, self.cubes).nonzero().squeeze(1)
        alpha, beta, gamma = self.weights[near].split((8, 12, 1), dim=1)
        weights = Weights(1 + torch.tanh(alpha), 1 + torch.tanh(beta), torch.sigmoid(gamma[:, 0]))
        cells = self.cubes[near]
        mesh, deviation = flexicubes(positions, sdf, cells, weights)
        return mesh, SignedGrid(positions, offset, sdf, cells, self.nodes.spacing, deviation)

    def parameter_groups(self) -> list[ParameterGroup]:
        rate = self.nodes.lr_scale * self.weight_scale
        return [*self.nodes.parameter_groups(), {"params": [self.weights], "name": "weights", "lr_scale": rate}]
