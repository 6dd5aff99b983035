"""Which cells of the cube around the unit ball hold anything? A grid that follows the field as it trains.

The idea is Instant-NGP's (arXiv 2201.05989, appendix E.2): an exponential moving maximum of probed
densities. A running minimum is kept beside it, to know what is surely opaque.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from dream3d.types import Field

CLAIM = 6.0
"""The most optical depth that a cell may claim across its width. Probes can miss the empty part of a cell on
the border of something opaque; with this, two such cells in a row must be wrong before anything is hidden."""


SLACK = 1e-3
"""Cells below the mean by less than this fraction of it still count as at the mean."""


def coordinates(index: Int[Tensor, " n"], side: int) -> Float[Tensor, "n 3"]:
    """Flat indices of a cube of ``side``^3 (z fastest) as x, y, z."""
    return torch.stack((index // (side * side), index // side % side, index % side), dim=-1).float()


class Occupancy(nn.Module):
    """``resolution``^3 cells; before the first update every cell counts as occupied.

    ``update`` asks for the density at the corners of all cells that touch the ball, and at ``probes``
    random places in each:

        most  <- max(largest,  decay most)
        least <- min(smallest, decay least + (1 - decay) smallest)

    A cell is occupied where ``1 - exp(-most step) > threshold``; the threshold is lowered to the mean
    over the ball's cells where that is less, so that a faint scene is not mistaken for an empty one.
    ``grid`` is what the marcher reads: the least density of a cell (see CLAIM), -1 where it is empty.
    Everything is in buffers: a ``state_dict`` resumes exactly.
    """

    most: Tensor
    least: Tensor
    grid: Tensor
    box: Tensor
    cells: Tensor
    corners: Tensor

    def __init__(self, resolution: int, *, threshold: float, decay: float, probes: int) -> None:
        super().__init__()
        self.resolution, self.threshold, self.decay, self.probes = resolution, threshold, decay, probes
        n = resolution**3
        self.register_buffer("most", torch.zeros(n))
        self.register_buffer("least", torch.zeros(n))
        self.register_buffer("grid", torch.zeros(n))
        self.register_buffer("box", torch.tensor([[-1.0] * 3, [1.0] * 3]))
        low = coordinates(torch.arange(n), resolution) * (2 / resolution) - 1
        high = low + 2 / resolution
        nearest = torch.where(low * high < 0, 0.0, torch.minimum(low.abs(), high.abs()))
        cells = (nearest.norm(dim=-1) < 1).nonzero().squeeze(1)
        self.register_buffer("cells", cells, persistent=False)
        corners = coordinates(torch.arange((resolution + 1) ** 3), resolution + 1) * (2 / resolution) - 1
        inside = (corners.norm(dim=-1) < 1).nonzero().squeeze(1)
        self.register_buffer("corners", inside, persistent=False)

    @torch.no_grad()
    def update(self, field: Field, step: float, generator: Generator) -> None:
        """Evaluate the field again; ``step`` is the length that turns density into opacity."""
        cells = self.cells
        largest, smallest = (x[cells] for x in self._corners(field))
        for _ in range(self.probes):
            inside = self._inside(field, generator)
            largest, smallest = torch.maximum(largest, inside), torch.minimum(smallest, inside)
        most = torch.maximum(self.most[cells] * self.decay, largest)
        least = torch.minimum(torch.lerp(smallest, self.least[cells], self.decay), smallest)
        self.most[cells], self.least[cells] = most, least
        opacity = -torch.expm1(-most * step)
        # In uniform haze every cell is the mean, up to rounding: all of it counts as occupied.
        occupied = opacity > (opacity.mean().double() * (1 - SLACK)).clamp(max=self.threshold).to(opacity.dtype)
        claimed = least.clamp(max=CLAIM * self.resolution / 2)
        self.grid.fill_(-1)
        self.grid[cells] = torch.where(occupied, claimed, -1.0)
        self.box.copy_(self._box())

    def _corners(self, field: Field) -> tuple[Float[Tensor, " cells"], Float[Tensor, " cells"]]:
        """The largest and smallest density at each cell's eight corners; each corner is evaluated once."""
        n = self.resolution + 1
        density = self.most.new_zeros(n**3)
        x = coordinates(self.corners, n) * (2 / self.resolution) - 1
        density[self.corners] = field.density(x).to(density.dtype)
        density = density.view(1, 1, n, n, n)
        pool = torch.nn.functional.max_pool3d
        return pool(density, 2, 1).flatten(), -pool(-density, 2, 1).flatten()

    def _inside(self, field: Field, generator: Generator) -> Float[Tensor, " n"]:
        """The density at a random point of every cell."""
        jitter = torch.rand(len(self.cells), 3, generator=generator, device=generator.device)
        place = coordinates(self.cells, self.resolution) + jitter.to(self.most.device)
        return field.density(place * (2 / self.resolution) - 1).to(self.most.dtype)

    @property
    def occupied(self) -> Bool[Tensor, "x y z"]:
        """The cells that are not skipped."""
        return (self.grid >= 0).view(self.resolution, self.resolution, self.resolution)

    def _box(self) -> Float[Tensor, "2 3"]:
        """The smallest box round the occupied cells (of no size if there is none)."""
        grid = self.occupied
        used = torch.stack([grid.any(b).any(a) for a, b in ((1, 2), (0, 2), (0, 1))]).int()
        ends = torch.stack((used.argmax(1), self.resolution - used.flip(1).argmax(1)))
        return (ends * (2 / self.resolution) - 1) * used.any()

    def lookup(
        self, origin: Float[Tensor, "r 3"], direction: Float[Tensor, "r 3"], t: Float[Tensor, "r k"]
    ) -> Float[Tensor, "r k"]:
        """At distance t of each ray: the least density of the cell, or -1 if it is empty."""
        r = self.resolution
        scaled, slope = ((origin + 1) * (r / 2)).split(1, 1), (direction * (r / 2)).split(1, 1)
        x, y, z = (torch.addcmul(a, b, t).floor_().clamp_(0, r - 1) for a, b in zip(scaled, slope, strict=True))
        index = x.mul_(r).add_(y).mul_(r).add_(z)
        return self.grid.index_select(0, index.int().view(-1)).view_as(t)
