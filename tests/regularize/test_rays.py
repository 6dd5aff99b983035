"""Sums along rays."""

import pytest
import torch
from handmade_renders import picture

from dream3d.regularize.rays import ray_sum, sum_before, volumetric
from dream3d.types import Render


def test_sums():
    ray, x = torch.tensor([0, 0, 2, 2, 2]), torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    assert ray_sum(x, ray, 4).tolist() == [3, 0, 28, 0]
    assert sum_before(x, ray, 4).tolist() == [0, 1, 0, 4, 12]


def test_gradcheck():
    ray = torch.tensor([0, 0, 2, 2, 2])
    x = torch.rand(5, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: sum_before(v, ray, 4) ** 2, x)
    assert torch.autograd.gradcheck(lambda v: ray_sum(v, ray, 4) ** 2, x)


def test_a_mesh_render_is_refused_by_name():
    render: Render = picture(torch.ones(1, 2, 2, 1))
    with pytest.raises(ValueError, match="thing: got a render without samples"):
        volumetric(render, "thing")
