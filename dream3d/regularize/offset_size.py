"""Nodes should stay near their place in the lattice."""

from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.surfaces import grid_of
from dream3d.types import Render


def offset_size(render: Render) -> Float[Tensor, ""]:
    """``mean |offset|^2 / spacing^2`` over the nodes of tetrahedra that the surface runs through."""
    grid = grid_of(render, "offset_size")
    inside = (grid.sdf.detach() < 0)[grid.tets].sum(1)
    nodes = grid.tets[(inside > 0) & (inside < 4)].unique()
    return grid.offset[nodes].square().sum(-1).mean() / grid.spacing**2
