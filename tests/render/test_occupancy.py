"""The grid follows the field: fills at once, empties with the decay, resumes exactly."""

import pytest
import torch
from analytic_fields import Analytic

from dream3d.render.occupancy import CLAIM, Occupancy


def ball(radius: float, density: float = 100.0) -> Analytic:
    return Analytic(lambda x: density * (x.norm(dim=-1) < radius))


def grid(resolution: int = 16) -> Occupancy:
    return Occupancy(resolution, threshold=0.01, decay=0.8, probes=2)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def centres(resolution: int) -> torch.Tensor:
    line = (torch.arange(resolution) + 0.5) * (2 / resolution) - 1
    return torch.cartesian_prod(line, line, line)


def test_everything_is_occupied_before_the_first_update():
    assert grid().occupied.all()


def test_cells_inside_are_kept_and_cells_outside_are_skipped():
    g = grid()
    for i in range(5):
        g.update(ball(0.5), 1 / 32, rng(i))
    radius, half_diagonal = centres(16).norm(dim=-1), 3**0.5 / 16
    occupied = g.occupied.flatten()
    assert occupied[radius < 0.5 - half_diagonal].all()
    assert not occupied[radius > 0.5 + half_diagonal].any()
    assert (g.least[radius < 0.5 - half_diagonal] > 0).all()
    assert (g.least[radius > 0.5 + half_diagonal] == 0).all()
    assert g.grid.max() == CLAIM * 16 / 2
    assert g.box.tolist() == [[-0.5] * 3, [0.5] * 3]


def test_a_shrunken_object_frees_its_cells_a_grown_one_takes_them_at_once():
    g = grid()
    g.update(ball(0.8), 1 / 32, rng(0))
    before = int(g.occupied.sum())
    g.update(ball(0.3), 1 / 32, rng(1))
    assert int(g.occupied.sum()) == before
    for i in range(30):
        g.update(ball(0.3), 1 / 32, rng(i))
    small = int(g.occupied.sum())
    assert small < before / 8
    g.update(ball(0.8), 1 / 32, rng(40))
    assert int(g.occupied.sum()) > 0.9 * before


def test_an_empty_field_skips_all_and_a_faint_one_does_not():
    g = grid()
    g.update(ball(0.0), 1 / 32, rng(0))
    assert not g.occupied.any() and g.box.abs().sum() == 0
    g = grid()
    g.update(ball(0.5, 1e-3), 1 / 32, rng(0))
    assert g.occupied.any()


def test_state_dict_resumes_exactly():
    a, b = grid(), grid()
    a.update(ball(0.7), 1 / 32, rng(0))
    b.load_state_dict(a.state_dict())
    for g in (a, b):
        g.update(ball(0.4), 1 / 32, rng(1))
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name]), name


def test_lookup_reads_the_cell_a_point_is_in():
    g = grid(4)
    g.grid.copy_(torch.arange(64.0))
    origin, direction = torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, -1.0]])
    found = g.lookup(origin, direction, torch.tensor([[2.0, 2.1, 2.6, 3.9, 4.0]]))
    # x = y = 0 is in cell 2 of 4; z runs from 1 down to -1.
    assert found.tolist() == [[43.0, 43.0, 42.0, 40.0, 40.0]]


@pytest.mark.parametrize("density", [0.3, 0.31, 0.3133, 0.3156, 0.05, 1.0, 0.2873])
def test_a_uniform_fog_is_not_empty(density):
    """Every cell is the mean, which may come out a rounding above or below each of them."""
    g = grid()
    g.update(ball(2.0, density), 1 / 32, rng(0))
    assert g.occupied.flatten()[g.cells].all()


def test_nothing_is_empty():
    g = grid()
    g.update(ball(0.5, 0.0), 1 / 32, rng(0))
    assert not g.occupied.flatten()[g.cells].any()
