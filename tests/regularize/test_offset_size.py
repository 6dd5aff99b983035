"""Mean squared offset in cubes, near the surface."""

import pytest
import torch
from handmade_renders import picture
from meshes import of_grid

from dream3d.regularize.offset_size import offset_size


def plane(x):
    return x[:, 0] - 0.01


def test_a_constant_offset():
    nodes = len(of_grid(plane).grid.nodes)
    offset = torch.tensor([0.03, 0.0, 0.04]).expand(nodes, 3).contiguous()
    assert float(offset_size(of_grid(plane, offset))) == pytest.approx((0.05 / 0.25) ** 2, rel=1e-4)


def test_far_nodes_do_not_count():
    grid = of_grid(plane).grid
    offset = torch.zeros_like(grid.nodes)
    offset[grid.nodes[:, 0] > 0.8] = 0.01
    assert float(offset_size(of_grid(plane, offset))) == 0


def test_a_volume_is_an_error():
    with pytest.raises(ValueError, match="offset_size"):
        offset_size(picture(torch.zeros(1, 2, 2, 1)))
