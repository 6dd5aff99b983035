"""DMTet (arXiv 2111.04276): signed distances and offsets on a tetrahedral lattice, extracted by marching tetrahedra.

As in the second stage of Magic3D (arXiv 2211.10440) both are free parameters of every node, started from the
coarse stage's surface.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from dream3d.contracts import ParameterGroup
from dream3d.fields.movable_nodes import Distance, MovableNodes
from dream3d.geometry.lattice import blocks, crossed, lattice
from dream3d.geometry.marching_tets import marching_tets
from dream3d.types import Mesh, SignedGrid


class DMTet(nn.Module):
    """The shape of a ``MeshField``.

    ``resolution`` cubes across the unit ball, each of 12 tetrahedra. Nodes move at most ``reach`` of a cube's
    size, which turns no tetrahedron inside out below 0.25. The other arguments are those of ``MovableNodes``.
    """

    members: Tensor
    tets: Tensor

    def __init__(
        self, distance: Distance, *, resolution: int, levels: Sequence[int], reach: float, lr_scale: float
    ) -> None:
        super().__init__()
        positions, tets = lattice(resolution)
        spacing = 2 / resolution
        self.nodes = MovableNodes(positions, spacing, distance=distance, levels=levels, reach=reach, lr_scale=lr_scale)
        members, grouped = blocks(positions, tets, 2 * spacing)
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("tets", grouped, persistent=False)

    def grid(self) -> SignedGrid:
        """The nodes, and the tetrahedra of all blocks that the surface runs through."""
        offset, sdf = self.nodes.moved(), self.nodes.closed()
        cells = self.tets[crossed(sdf, self.members)].flatten(0, 1)
        return SignedGrid(self.nodes.positions + offset, offset, sdf, cells, self.nodes.spacing)

    def extract(self) -> tuple[Mesh, SignedGrid]:
        """The surface and its tetrahedra. Raises ValueError when there is no surface left."""
        grid = self.grid()
        return marching_tets(grid.nodes, grid.sdf, grid.cells), grid

    def parameter_groups(self) -> list[ParameterGroup]:
        return self.nodes.parameter_groups()
