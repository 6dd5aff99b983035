"""Binary entropy: log 2 in the middle, nothing at the ends, pushed apart."""

import math

import torch
from handmade_renders import picture

from dream3d.regularize.entropy import entropy


def test_closed_form():
    alpha = torch.tensor([0.5, 0.25]).view(1, 1, 2, 1)
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    torch.testing.assert_close(entropy(picture(alpha)), torch.tensor((math.log(2) + quarter) / 2))


def test_ends_are_finite_and_still():
    alpha = torch.tensor([0.0, 1.0, 1.0000001]).view(1, 1, 3, 1).requires_grad_()
    loss = entropy(picture(alpha))
    loss.backward()
    assert 0 < loss < 0.01 and (alpha.grad == 0).all()


def test_gradient_pushes_to_the_nearer_end():
    alpha = torch.tensor([0.3, 0.5, 0.7]).view(1, 1, 3, 1).requires_grad_()
    entropy(picture(alpha)).backward()
    low, middle, high = alpha.grad.flatten().tolist()
    assert low > 0 and abs(middle) < 1e-6 and high < 0


def test_equals_the_cross_entropy_of_torch():
    alpha = torch.rand(1, 5, 5, 1, generator=torch.Generator().manual_seed(0)).clamp(0.01, 0.99)
    other = torch.nn.functional.binary_cross_entropy(alpha, alpha)
    torch.testing.assert_close(entropy(picture(alpha)), other)


def test_gradcheck():
    alpha = (0.1 + 0.8 * torch.rand(1, 3, 4, 1, generator=torch.Generator().manual_seed(0)).double()).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: entropy(picture(x)), alpha)
