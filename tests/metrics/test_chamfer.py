import math

import pytest
import torch

from dream3d.geometry.surface_sampling import surface_points
from dream3d.metrics.chamfer import chamfer, f_score
from dream3d.seeding import generator
from dream3d.types import Mesh


def test_known_distances():
    a = torch.tensor([[0.0, 0, 0], [1, 0, 0]])
    b = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 0, 0.5]])
    assert chamfer(a, b) == pytest.approx(0.5 * (0 + 0.5 / 3))
    assert chamfer(a, b) == pytest.approx(chamfer(b, a))
    assert chamfer(a, a) == 0
    assert chamfer(a, a + torch.tensor([0, 0.25, 0])) == pytest.approx(0.25)


def test_f_score_of_known_matches():
    a = torch.tensor([[0.0, 0, 0], [5, 0, 0]])  # one of two is near: precision 1/2
    b = torch.tensor([[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1], [9, 9, 9]])  # three of four: recall 3/4
    assert f_score(a, b, 0.2) == pytest.approx(2 * 0.5 * 0.75 / 1.25)
    assert f_score(a, b, 0.01) == 0


def test_no_points_are_refused():
    with pytest.raises(ValueError, match="0 and 1 points"):
        chamfer(torch.zeros(0, 3), torch.zeros(1, 3))


def test_points_are_uniform_in_area_and_seeded():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 5.0], [3, 0, 5], [0, 1, 5]])
    mesh = Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6]]))
    count = 4000
    points = surface_points(mesh, count, generator(0, 0, "points"))
    assert torch.equal(points, surface_points(mesh, count, generator(0, 0, "points")))
    assert not torch.equal(points, surface_points(mesh, count, generator(1, 0, "points")))
    square = points[:, 2] == 0
    share = 1 / 2.5
    assert square.float().mean().item() == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / count))
    deviation = 1 / math.sqrt(12 * share * count)
    assert (points[square, :2].mean(0) - 0.5).abs().max().item() < 5 * deviation
