"""A vertex should be equally far from all the crossings it is the mean of."""

from jaxtyping import Float
from torch import Tensor

from dream3d.regularize.surfaces import grid_of, mean
from dream3d.types import Render


def deviation(render: Render) -> Float[Tensor, ""]:
    """L_dev of FlexiCubes (arXiv 2308.05371, Eq. 8), here the mean over the vertices, in cubes:
    ``mean_v MAD(|v - u_e|) / spacing``. It frees flat regions of creases that pictures do not show."""
    grid = grid_of(render, "deviation")
    if grid.deviation is None:
        raise ValueError("deviation: got a grid of tetrahedra, expected refine=flexicubes; switch deviation off")
    return mean(grid.deviation) / grid.spacing
