"""A surface that can be moved: signed distances and offsets on a lattice of tetrahedra, colour from a field.

DMTet (arXiv 2111.04276) as in the second stage of Magic3D (arXiv 2211.10440): both are free parameters of
every node, started from the coarse stage's surface; the coarse field goes on as the colour.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from dream3d.fields.movable import Distance, Movable
from dream3d.geometry.lattice import blocks, crossed, lattice
from dream3d.geometry.marching_tets import marching_tets
from dream3d.types import Mesh, SignedGrid


class DMTet(Movable):
    """An ``Explicit`` field.

    ``resolution`` cubes across the unit ball, each of 12 tetrahedra; ``levels`` are the sizes of the coarser
    grids. Nodes move at most ``reach`` of a cube's size, which turns no tetrahedron inside out below 0.25.
    The other knobs are those of ``Movable``.
    """

    members: Tensor
    tets: Tensor

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
        material: Callable[[], nn.Module] | None = None,
    ) -> None:
        nodes, tets = lattice(resolution)
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
        members, grouped = blocks(nodes, tets, 2 * self.spacing)
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("tets", grouped, persistent=False)

    def grid(self) -> SignedGrid:
        """The nodes, and the tetrahedra of all blocks that the surface runs through."""
        offset, sdf = self.moved(), self.closed()
        cells = self.tets[crossed(sdf, self.members)].flatten(0, 1)
        return SignedGrid(self.nodes + offset, offset, sdf, cells, self.spacing)

    def extract(self) -> tuple[Mesh, SignedGrid]:
        """The surface and its tetrahedra. Raises ValueError when there is no surface left."""
        grid = self.grid()
        return marching_tets(grid.nodes, grid.sdf, grid.cells), grid
