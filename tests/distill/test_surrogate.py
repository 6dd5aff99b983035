import torch

from dream3d.distill.surrogate import distilled


def test_gradient_is_grad_over_batch_to_the_last_bit() -> None:
    """A gradient far below the rounding of x survives."""
    x = torch.full((4, 3), 1e4).requires_grad_()
    grad = 1e-6 * torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    result = distilled(x, grad)
    result.loss.backward()
    assert torch.equal(x.grad, grad / 4)
    torch.testing.assert_close(result.loss, 0.5 * grad.square().sum() / 4)


def test_reaches_what_x_was_made_of() -> None:
    theta = torch.tensor([1.0, 2.0], requires_grad=True)
    grad = torch.tensor([[3.0, 4.0], [5.0, 6.0]])
    distilled(torch.stack((theta, theta**2)), grad).loss.backward()
    torch.testing.assert_close(theta.grad, torch.tensor([(3 + 2 * 1 * 5) / 2, (4 + 2 * 2 * 6) / 2]))
