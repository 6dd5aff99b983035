"""Nodes should stay near their lattice positions."""

from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.surfaces import crossed, grid_of, mean
from dream3d.types import Render


def offset_size(render: Render) -> Float[Tensor, ""]:
    """``mean |offset|^2 / spacing^2`` over the nodes of cells that the surface runs through."""
    grid = grid_of(render, "offset_size")
    nodes = crossed(grid).unique()
    return mean(grid.offset[nodes].square().sum(-1)) / grid.spacing**2
