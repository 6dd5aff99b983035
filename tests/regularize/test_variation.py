"""Squared differences of neighbours."""

import pytest
import torch
from torch import nn

from dream3d.regularize.variation import field_variation, total_variation


def test_a_ramp_has_its_slope_squared():
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(7.0), indexing="ij")
    torch.testing.assert_close(total_variation((2 * x - 3 * y).expand(3, 4, 5, 7)), torch.tensor(4.0 + 9.0))
    z = torch.arange(6.0)[:, None, None].expand(1, 2, 6, 5, 4)
    assert total_variation(z) == 1


def test_constant_is_zero_and_gradient_evens_out():
    assert total_variation(torch.full((1, 1, 4, 4), 0.3)) == 0
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 1, 1] = 1
    x.requires_grad_()
    total_variation(x).backward()
    assert x.grad[0, 0, 1, 1] > 0 and x.grad[0, 0, 0, 1] < 0 and x.grad[0, 0, 0, 0] == 0


def test_gradcheck():
    x = torch.rand(1, 2, 3, 4, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    assert torch.autograd.gradcheck(total_variation, x)


def test_field_sums_its_grids_and_leaves_the_rest():
    class Planes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.planes = nn.Parameter(torch.arange(4.0).expand(3, 1, 4, 4).clone())
            self.voxels = nn.Parameter(2 * torch.arange(4.0).expand(1, 1, 4, 4, 4).clone())
            self.net = nn.Linear(3, 3)

    field = Planes()
    assert field_variation(field) == 1 + 4
    field_variation(field).backward()
    assert field.net.weight.grad is None
    with pytest.raises(ValueError, match="without planes"):
        field_variation(nn.Linear(2, 2))
