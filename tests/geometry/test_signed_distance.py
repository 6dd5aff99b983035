"""Signed distances to closed meshes."""

import torch
from scenes import box, sphere

from dream3d.geometry.signed_distance import inside, signed_distance
from dream3d.types import Mesh


def points(n=2000):
    return 1.6 * torch.rand(n, 3, generator=torch.Generator().manual_seed(0)) - 0.8


def test_of_a_ball():
    x = points()
    got = signed_distance(sphere(0.5, 5), x, torch.Generator().manual_seed(1))
    assert (got - (x.norm(dim=1) - 0.5)).abs().max() < 0.02


def test_inside_of_a_box():
    x = points()
    assert torch.equal(inside(box(1.0), x), x.abs().amax(1) < 0.5)


def test_parts_may_overlap():
    """Two boxes in one mesh, a quarter of each in the other."""
    one = box(1.0)
    other = one.vertices + torch.tensor([0.4, 0.3, 0.2])
    both = Mesh(torch.cat((one.vertices, other)), torch.cat((one.faces, one.faces + len(other))))
    x = points()
    second = (x - torch.tensor([0.4, 0.3, 0.2])).abs().amax(1) < 0.5
    assert torch.equal(inside(both, x), (x.abs().amax(1) < 0.5) | second)


def test_a_hole_does_little_harm_and_a_sheet_has_no_inside():
    x, whole = points(), sphere(0.5, 4)
    cut = whole.vertices[whole.faces].mean(1)[:, 1] < 0.45  # a cap is missing
    wrong = inside(Mesh(whole.vertices, whole.faces[cut]), x) != (x.norm(dim=1) < 0.5)
    assert wrong.float().mean() < 0.01
    sheet = Mesh(torch.tensor([[-1.0, 0, -1], [1, 0, -1], [0, 0, 1]]), torch.tensor([[0, 1, 2]]))
    assert not inside(sheet, x).any()
