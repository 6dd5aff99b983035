"""sqrt(alpha^2 + 0.01)."""

import torch
from handmade_renders import picture

from dream3d.regularize.opacity import opacity


def test_closed_form():
    alpha = torch.tensor([0.0, 1.0, 0.5, 0.0]).view(1, 2, 2, 1)
    want = (0.1 + 1.01**0.5 + 0.26**0.5 + 0.1) / 4
    torch.testing.assert_close(opacity(picture(alpha)), torch.tensor(want))


def test_gradient_lowers_alpha_and_fades_out_at_zero():
    alpha = torch.tensor([0.0, 0.05, 1.0]).view(1, 1, 3, 1).requires_grad_()
    opacity(picture(alpha)).backward()
    a, b, c = alpha.grad.flatten().tolist()
    assert a == 0 and 0 < b < c


def test_gradcheck():
    alpha = torch.rand(1, 3, 4, 1, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: opacity(picture(x)), alpha)
