import colorsys

import pytest
import torch

from dream3d.metrics.saturation import opacity, saturation
from dream3d.types import Image


def test_saturation_is_that_of_the_straight_colour_where_it_is_solid():
    straight = torch.tensor([[0.8, 0.4, 0.2], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).view(1, 2, 2, 3)
    alpha = torch.tensor([1.0, 0.6, 0.9, 0.4]).view(1, 2, 2, 1)  # the red is not solid enough to count
    wanted = sum(colorsys.rgb_to_hsv(*rgb)[1] for rgb in straight.reshape(4, 3)[:3].tolist()) / 3
    assert saturation(Image(straight * alpha, alpha)) == pytest.approx(wanted, abs=1e-5)


def test_nothing_has_no_saturation():
    assert saturation(Image(torch.zeros(1, 2, 2, 3), torch.zeros(1, 2, 2, 1))) == 0


def test_opacity_of_a_known_pattern():
    alpha = torch.zeros(2, 2, 2, 1)
    alpha[0, 0, 0], alpha[0, 0, 1], alpha[0, 1, 0] = 1.0, 0.6, 0.2
    found = opacity(Image(torch.zeros(2, 2, 2, 3), alpha))
    assert found.mean == pytest.approx(1.8 / 8)
    assert (found.covered, found.fog, found.empty) == (2 / 8, 2 / 8, 1 / 2)
