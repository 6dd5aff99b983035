"""What regularisers of meshes ask a render for."""

from dream3d.types import Mesh, Render, SignedGrid


def mesh_of(render: Render, name: str) -> Mesh:
    """The mesh that was rasterised, or a ValueError that names the regulariser which needs it."""
    if render.mesh is None:
        raise ValueError(
            f"{name}: got a render without a mesh, expected the mesh renderer; switch {name} off"
        )
    return render.mesh


def grid_of(render: Render, name: str) -> SignedGrid:
    """The tetrahedra behind the mesh, or a ValueError that names the regulariser which needs them."""
    if render.grid is None:
        raise ValueError(
            f"{name}: got a render without a signed grid, expected field tets; switch {name} off"
        )
    return render.grid
