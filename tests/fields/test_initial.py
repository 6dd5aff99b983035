import math

import torch

from dream3d.fields.initial import cone, gaussian, level


def test_values_at_the_centre_and_away():
    x = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.6, 0.0, 0.8]])
    assert torch.allclose(cone(x), torch.tensor([10.0, 0.0, -10.0]))
    want = torch.tensor([5 * math.exp(-(r**2) / 0.08) for r in (0.0, 0.5, 1.0)])
    assert torch.allclose(gaussian(x), want)
    assert level(x, value=-1.0).tolist() == [-1, -1, -1]


def test_gradient_at_the_origin_is_finite():
    x = torch.zeros(1, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(cone(x).sum(), x)
    assert gradient.tolist() == [[0, 0, 0]]
