import itertools

import numpy as np
import pytest
import torch

from dream3d.editing.cut import graph_cut, neighbours


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
