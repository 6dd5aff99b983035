"""1 - cos of the angle at an edge."""

import math

import pytest
import torch
from handmade_renders import picture
from meshes import of_mesh, roof
from scenes import sphere

from dream3d.regularize.normal_consistency import normal_consistency


@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 2])
def test_a_roof(angle):
    assert float(normal_consistency(of_mesh(*roof(angle)))) == pytest.approx(1 - math.cos(angle), abs=1e-6)


def test_its_gradient_flattens_a_roof():
    angle = torch.tensor(0.5, requires_grad=True)
    normal_consistency(of_mesh(*roof(angle))).backward()
    assert float(angle.grad) == pytest.approx(math.sin(0.5), rel=1e-4)


def test_finer_balls_are_smoother():
    values = [normal_consistency(of_mesh(sphere(0.5, n).vertices, sphere(0.5, n).faces)) for n in (1, 2, 3)]
    assert values[0] > 2 * values[1] > 4 * values[2] > 0


def test_a_volume_is_an_error():
    with pytest.raises(ValueError, match="normal_consistency"):
        normal_consistency(picture(torch.zeros(1, 2, 2, 1)))
