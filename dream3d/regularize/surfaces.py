"""Mesh data of a render, for regularisers of meshes."""

from jaxtyping import Float, Int
from torch import Tensor

from dream3d.types import Mesh, Render, SignedGrid


def mesh_of(render: Render, name: str) -> Mesh:
    """The mesh that was rasterised, or a ValueError that names the regulariser which needs it."""
    if render.mesh is None:
        raise ValueError(f"{name}: got a render without a mesh, expected the mesh renderer; switch {name} off")
    return render.mesh


def grid_of(render: Render, name: str) -> SignedGrid:
    """The lattice behind the mesh, or a ValueError that names the regulariser which needs them."""
    if render.grid is None:
        raise ValueError(
            f"{name}: got a render without a signed grid, expected refine=tets or flexicubes; switch {name} off"
        )
    return render.grid


def mean(x: Float[Tensor, "*n"]) -> Float[Tensor, ""]:
    """The mean; 0 of nothing."""
    return x.sum() / max(x.numel(), 1)


def crossed(grid: SignedGrid) -> Int[Tensor, "t k"]:
    """The cells that the surface runs through."""
    inside = (grid.sdf.detach() < 0)[grid.cells]
    return grid.cells[inside.any(1) & ~inside.all(1)]
