import torch

from dream3d.fields.activation import exp, softplus, trunc_exp


def test_values():
    raw = torch.tensor([-3.0, 0.0, 2.0])
    assert torch.allclose(softplus(raw, gain=2.0), 2 * torch.log(1 + raw.exp()))
    assert torch.allclose(exp(raw), raw.exp())
    assert torch.allclose(trunc_exp(raw), raw.exp())


def test_trunc_exp_gradient_is_bounded():
    raw = torch.tensor([-30.0, 1.0, 30.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(trunc_exp(raw, limit=15.0).sum(), raw)
    assert torch.allclose(gradient, torch.tensor([-15.0, 1.0, 15.0], dtype=torch.float64).exp())


def test_trunc_exp_can_be_differentiated_twice():
    raw = torch.tensor([-1.0, 0.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(trunc_exp, (raw,))
