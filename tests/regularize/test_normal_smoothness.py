"""Smoothness of the rendered normals."""

import pytest
import torch
from handmade_renders import picture

from dream3d.regularize.normal_smoothness import normal_smoothness


def test_flat_is_zero_a_fold_costs():
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(1, 4, 4, 3).clone()
    alpha = torch.ones(1, 4, 4, 1)
    assert normal_smoothness(picture(alpha, normal=normal)) == 0
    normal[:, :, 2:] = torch.tensor([1.0, 0.0, 0.0])
    # One of three column borders differs, by (1, 0, -1): |.|^2 / 3 = 2 / 3.
    torch.testing.assert_close(normal_smoothness(picture(alpha, normal=normal)), torch.tensor(2 / 9))


def test_gradient_pulls_an_odd_one_back():
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(1, 3, 3, 3).clone()
    normal[0, 1, 1] = torch.tensor([0.6, 0.0, 0.8])
    normal.requires_grad_()
    normal_smoothness(picture(torch.ones(1, 3, 3, 1), normal=normal)).backward()
    assert normal.grad[0, 1, 1, 0] > 0 and normal.grad[0, 1, 1, 2] < 0


def test_without_normals():
    with pytest.raises(ValueError, match="without normals"):
        normal_smoothness(picture(torch.ones(1, 3, 3, 1)))
