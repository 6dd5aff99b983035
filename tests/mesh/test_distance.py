"""Signed distances to closed meshes."""

import torch
from scenes import box, sphere

from dream3d.mesh.distance import inside, signed_distance


def points(n=2000):
    return 1.6 * torch.rand(n, 3, generator=torch.Generator().manual_seed(0)) - 0.8


def test_of_a_ball():
    x = points()
    got = signed_distance(sphere(0.5, 5), x, torch.Generator().manual_seed(1))
    assert (got - (x.norm(dim=1) - 0.5)).abs().max() < 0.02


def test_inside_of_a_box():
    x = points()
    assert torch.equal(inside(box(1.0), x), x.abs().amax(1) < 0.5)
