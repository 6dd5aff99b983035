"""Mesh extraction from a density: marching cubes, with vertices moved onto the level set.

Marching cubes: Lewiner et al. 2003, by scikit-image. It interpolates linearly between grid points,
which leaves ripples and stairs where the density is not linear; here every vertex is then moved along
its grid edge to where the field itself crosses the isovalue.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from scipy import ndimage
from skimage.measure import marching_cubes
from torch import Tensor

from dream3d.mesh.isovalue import EmptyField, SolidField, auto_isovalue
from dream3d.mesh.query import density_at
from dream3d.types import Field, Mesh

SOLID = 0.9  # fraction of the ball's outermost cells


@dataclass(frozen=True)
class Grid:
    """Densities at cell centres over [-1, 1]^3, with one layer of empty cells around.

    Point i along an axis is at ``(i - 0.5) spacing - 1``.
    """

    density: Float[Tensor, "n n n"]
    spacing: float

    def points(self, index: Float[Tensor, "k 3"]) -> Float[Tensor, "k 3"]:
        """Grid indices (fractions too) to world space."""
        return (index - 0.5) * self.spacing - 1

    def radius(self) -> Float[Tensor, "n n n"]:
        """Distance of every point from the origin."""
        axis = ((torch.arange(len(self.density)) - 0.5) * self.spacing - 1) ** 2
        return (axis[:, None, None] + axis[:, None] + axis).sqrt()


def sample(field: Field, *, resolution: int, chunk: int) -> Grid:
    """The field on ``resolution`` cells across the ball's diameter; only points inside the ball are evaluated.

    Raises:
        ValueError: a resolution below 8, or densities that are not finite.
    """
    if resolution < 8:
        raise ValueError(f"mesh.resolution: got {resolution}, expected at least 8 cells across the unit ball")
    n = resolution + 2
    grid = Grid(torch.zeros(n, n, n), 2 / resolution)
    inside = (grid.radius() <= 1).flatten().nonzero().squeeze(1)
    index = torch.stack((inside // (n * n), inside // n % n, inside % n), dim=-1)
    grid.density.view(-1)[inside] = density_at(field, grid.points(index.float()), chunk)
    return grid


def find_isovalue(grid: Grid, isovalue: float | int | str) -> float:
    """The density of the surface: ``auto`` (see ``isovalue.py``) or a given number.

    Raises:
        ValueError: neither of the two.
        EmptyField: nothing is denser than the isovalue.
        SolidField: the ball is filled up to its border.
    """
    if isinstance(isovalue, str):
        if isovalue != "auto":
            raise ValueError(f"mesh.isovalue: got '{isovalue}', expected auto or a density > 0")
        found = auto_isovalue(grid.density, grid.spacing)
    else:
        found = float(isovalue)
        if not 0 < found < float("inf"):
            raise ValueError(f"mesh.isovalue: got {isovalue}, expected auto or a density > 0")
    densest = float(grid.density.max())
    if densest <= found:
        raise EmptyField(
            f"EMPTY: got a max density of {densest:.3g}, expected more than mesh.isovalue {found:.3g}; "
            "lower mesh.isovalue or set it to auto"
        )
    radius = grid.radius()
    border = (radius <= 1) & (radius > 1 - 1.5 * grid.spacing)
    filled = float((grid.density[border] > found).float().mean())
    if filled > SOLID:
        raise SolidField(
            f"SOLID: got {filled:.0%} of the unit ball's border above density {found:.3g}, expected empty "
            "space around an object; raise mesh.isovalue, use regularize=dreamfusion or a lower peak of "
            "field.initial"
        )
    return found


def isosurface(field: Field, grid: Grid, isovalue: float, *, refine: int, chunk: int) -> Mesh:
    """The closed surface ``density = isovalue``, facing outwards; invisible cavities are filled.

    ``refine`` evaluations of the field a vertex move it onto the level set (0: linear interpolation).
    """
    contrast = _contrast(grid.density, isovalue)
    labelled: Any = ndimage.label((contrast <= 0).numpy())
    empty = labelled[0]
    contrast[torch.from_numpy((empty != empty[0, 0, 0]) & (empty != 0))] = 0.5
    index, faces, _, _ = marching_cubes(contrast.numpy(), 0.0, gradient_direction="ascent")
    edges = _edges(torch.from_numpy(index.copy()), contrast)
    crossing = edges.low + _crossing(field, grid, isovalue, edges, refine=refine, chunk=chunk) * edges.along
    moved = torch.from_numpy(index.copy())
    moved[edges.vertex] = crossing
    return Mesh(grid.points(moved), torch.from_numpy(faces.astype("int64").copy()))


def _contrast(density: Tensor, isovalue: float) -> Tensor:
    """``density / (density + isovalue) - 1/2``: 0 on the surface, in [-1/2, 1/2] whatever the densities."""
    return density / (density + isovalue) - 0.5


class _Edges(NamedTuple):
    """Grid edges that vertices are on: from ``low`` one step ``along`` an axis, contrasts at both ends."""

    vertex: Int[Tensor, " k"]
    low: Float[Tensor, "k 3"]
    along: Float[Tensor, "k 3"]
    f_low: Float[Tensor, " k"]
    f_high: Float[Tensor, " k"]


def _edges(index: Float[Tensor, "v 3"], contrast: Float[Tensor, "n n n"]) -> _Edges:
    """Those of all vertices but Lewiner's extra ones in the middle of a cell and those on a grid point."""
    fraction = index - index.floor()
    axis = torch.minimum(fraction, 1 - fraction).argmax(1)
    along = torch.nn.functional.one_hot(axis, 3)
    low = torch.where(along.bool(), index.floor(), index.round()).long()
    high = (low + along).clamp(max=len(contrast) - 1)
    f_low, f_high = contrast[tuple(low.T)], contrast[tuple(high.T)]
    on_edge = ((index - index.round()) * (1 - along)).abs().amax(1) < 1e-3
    vertex = (on_edge & (f_low * f_high < 0)).nonzero().squeeze(1)
    return _Edges(vertex, low[vertex].float(), along[vertex].float(), f_low[vertex], f_high[vertex])


def _crossing(
    field: Field, grid: Grid, isovalue: float, edges: _Edges, *, refine: int, chunk: int
) -> Float[Tensor, "k 1"]:
    """Root of the contrast along each edge, as a fraction of it, by false position and bisection in turns:
    the first is quick on a smooth density, the second sure on a sharp one."""
    fa, fb = edges.f_low, edges.f_high
    a, b = torch.zeros_like(fa), torch.ones_like(fb)
    t = fa / (fa - fb)
    for i in range(refine):
        x = grid.points(edges.low + t[:, None] * edges.along)
        f = _contrast(density_at(field, x, chunk), isovalue)
        same = f * fa > 0
        fa, fb = torch.where(same, f, fa), torch.where(same, fb, f)
        a, b = torch.where(same, t, a), torch.where(same, b, t)
        halve = (i % 2 == 0 and i + 1 < refine) | (fb == fa)
        t = torch.where(halve, (a + b) / 2, (a * fb - b * fa) / (fb - fa))
    return t[:, None]
