"""The variance of distance under normalised weights, on opaque rays."""

import torch
from handmade_renders import scene

from dream3d.regularize.z_variance import z_variance


def test_closed_form_with_normalised_weights():
    # Two equal weights 2 steps of 0.25 apart: variance 0.25^2, whatever their sum.
    want = torch.tensor(0.25**2).double()
    torch.testing.assert_close(z_variance(scene([[0.5, 0.0, 0.5]])), want)
    torch.testing.assert_close(z_variance(scene([[0.3, 0.0, 0.3]])), want)


def test_faint_rays_do_not_count():
    mixed = scene([[0.5, 0.0, 0.5], [0.2, 0.0, 0.2], [0.0, 0.9, 0.0]])
    torch.testing.assert_close(z_variance(mixed), torch.tensor(0.25**2 / 2).double())
    assert z_variance(scene([[0.1, 0.1]])) == 0
    assert z_variance(scene(torch.zeros(2, 0))) == 0


def test_gradient_thins_the_surface():
    weights = torch.tensor([[0.1, 0.7, 0.1]]).double().requires_grad_()
    z_variance(scene(weights)).backward()
    front, middle, back = weights.grad.flatten().tolist()
    assert middle < 0 < front and abs(front - back) < 1e-9


def test_gradcheck():
    g = torch.Generator().manual_seed(0)
    weights = (0.2 + 0.1 * torch.rand(3, 4, generator=g).double()).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: z_variance(scene(w)), weights)
