import itertools

import numpy as np
import pytest
import torch

from dream3d.editing.cut import changed_part, graph_cut, neighbours
from dream3d.editing.region import lattice
from dream3d.types import Surface


def energy(labels, changed, look, smooth) -> float:
    a, b, weight = neighbours(look, smooth)
    flat = labels.flatten().double()
    return float((flat - changed.flatten()).abs().sum() + (weight * (flat[a] - flat[b]).abs().numpy()).sum())


@pytest.mark.parametrize("seed", range(4))
def test_no_labelling_is_better(seed: int) -> None:
    """All 2^12 labellings of a small lattice, tried one by one."""
    g = torch.Generator().manual_seed(seed)
    changed, look = torch.rand(2, 3, 2, generator=g).double(), torch.rand(2, 3, 2, 3, generator=g)
    allowed = torch.ones(2, 3, 2, dtype=torch.bool)
    allowed[0, 0, 0] = seed % 2 == 0
    found = graph_cut(changed, allowed, look, 0.3)
    every = (torch.tensor(bits).view(2, 3, 2) for bits in itertools.product((0.0, 1.0), repeat=12))
    best = min(energy(one, changed, look, 0.3) for one in every if not one[~allowed].any())
    assert not found[~allowed].any()
    assert energy(found, changed, look, 0.3) == pytest.approx(best, abs=0.02)


def test_without_smoothness_it_is_a_threshold_and_with_it_specks_go() -> None:
    changed = torch.zeros(9, 9, 9)
    changed[:, :, 5:] = 0.9
    changed[4, 4, 1] = 0.9  # a speck
    changed[4, 4, 7] = 0.1  # a hole
    allowed, look = torch.ones(9, 9, 9, dtype=torch.bool), torch.zeros(9, 9, 9, 3)
    assert torch.equal(graph_cut(changed, allowed, look, 0.0), changed > 0.5)
    half = torch.zeros(9, 9, 9, dtype=torch.bool)
    half[:, :, 5:] = True
    assert torch.equal(graph_cut(changed, allowed, look, 0.3), half)


def test_the_cut_follows_an_edge_of_what_it_looks_at() -> None:
    """Undecided vertices go with the side that looks like them."""
    changed = torch.full((3, 3, 8), 0.5)
    changed[:, :, 0], changed[:, :, 7] = 0.0, 1.0
    look = torch.zeros(3, 3, 8, 1)
    look[:, :, 3:] = 1
    found = graph_cut(changed, torch.ones(3, 3, 8, dtype=torch.bool), look, 0.2)
    assert np.array_equal(found[1, 1].numpy(), np.arange(8) >= 3)


class Ball:
    """Grey; ``painted`` where x > 0, with an ear that floats above it; elsewhere ``fainter`` and ``shade`` brighter."""

    def __init__(self, painted: float = 0.5, ear: bool = False, fainter: float = 0.0, shade: float = 0.0) -> None:
        self.painted, self.ear, self.fainter, self.shade = painted, ear, fainter, shade

    def density(self, x):
        inside = x.norm(dim=-1) < 0.6
        ear = (x - torch.tensor([0.0, 0.8, 0.0])).abs().amax(-1) < 0.15
        return 100.0 * (1 - self.fainter) * inside + (100.0 * ear if self.ear else 0.0)

    def surface(self, x):
        colour = torch.where(x[:, :1] > 0, self.painted, 0.5 + self.shade).expand(-1, 3)
        return Surface(self.density(x), colour)


def test_what_was_hardly_changed_is_given_back() -> None:
    """The painted half and the new ear are the edit's; a brighter shade of 3/100 and less density are not."""
    points = lattice(24)
    ball, x = points.norm(dim=-1) < 0.6, points[..., 0]
    ear = ((points - torch.tensor([0.0, 0.8, 0.0])).abs() < 0.15).all(-1)
    allowed = torch.ones(24, 24, 24, dtype=torch.bool)
    edit = Ball(painted=0.9, ear=True, fainter=0.3, shade=0.03)
    assert torch.equal(changed_part(edit, Ball(), allowed, 0.01), ball & (x > 0) | ear)
    assert torch.equal(changed_part(edit, Ball(), x < 0, 0.01), ear & (x < 0)), "where it may not change it does not"
    assert not changed_part(Ball(shade=0.03), Ball(), allowed, 0.3).any()
