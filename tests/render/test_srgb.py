"""The transfer function of sRGB: its own fixed points, there and back."""

import torch

from dream3d.render.srgb import linear, srgb


def test_values_of_the_standard():
    value = torch.tensor([0.0, 0.04045, 0.5, 1.0], dtype=torch.float64)
    light = torch.tensor([0.0, 0.0031308, 0.21404114, 1.0], dtype=torch.float64)
    torch.testing.assert_close(linear(value), light, atol=1e-7, rtol=0)
    torch.testing.assert_close(srgb(light), value, atol=1e-6, rtol=0)


def test_there_and_back_with_a_finite_gradient():
    value = torch.linspace(0, 1, 101, dtype=torch.float64, requires_grad=True)
    back = srgb(linear(value))
    torch.testing.assert_close(back, value, atol=1e-6, rtol=0)
    back.sum().backward()
    torch.testing.assert_close(value.grad, torch.ones_like(value), atol=1e-3, rtol=0)
