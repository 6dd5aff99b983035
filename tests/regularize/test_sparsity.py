"""A Cauchy loss on density, as an integral along the ray."""

import math

import pytest
import torch
from handmade_renders import scene

from dream3d.regularize.sparsity import sparsity


def test_closed_form():
    density = torch.tensor([0.0, 1.0, 2.0, 0.0]).double()
    want = 0.25 * (math.log(1 + 1 / 0.5) + math.log(1 + 4 / 0.5)) / 2
    render = scene([[0.1, 0.2], [0.3, 0.0]], density=density)
    torch.testing.assert_close(sparsity(render), torch.tensor(want).double())


def test_finer_steps_give_the_same():
    coarse = scene(torch.zeros(1, 4), density=torch.full((4,), 3.0).double(), step=0.2)
    fine = scene(torch.zeros(1, 8), density=torch.full((8,), 3.0).double(), step=0.1)
    torch.testing.assert_close(sparsity(coarse), sparsity(fine))


def test_gradient_lowers_density_most_in_haze():
    density = torch.tensor([0.7, 100.0]).double().requires_grad_()
    sparsity(scene([[0.1, 0.2]], density=density)).backward()
    assert density.grad[0] > density.grad[1] > 0


def test_gradcheck():
    density = torch.rand(6, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda d: sparsity(scene(torch.zeros(2, 3), density=d)), density)


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="without densities"):
        sparsity(scene([[0.5]]))
