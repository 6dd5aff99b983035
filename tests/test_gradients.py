"""Gradients one loss at a time are those of their sum, and their norms are their own."""

import torch

from dream3d.gradients import backward_alone


def test_one_after_the_other_is_all_together():
    a, b, unused = (torch.rand(3, requires_grad=True) for _ in range(3))
    losses = [lambda: (a * b).mean() * 2, lambda: a.square().sum() / 2, lambda: (b * 3 + a).norm() + 1]
    norms = [backward_alone(loss(), [a, b, unused]) for loss in losses]
    found = [a.grad, b.grad]
    assert unused.grad is None
    total = torch.autograd.grad(sum(loss() for loss in losses), [a, b])
    assert all(torch.allclose(x, y) for x, y in zip(found, total, strict=True))
    alone = [torch.autograd.grad(loss(), [a, b], allow_unused=True) for loss in losses]
    expected = [torch.cat([g for g in grads if g is not None]).norm() for grads in alone]
    assert all(torch.allclose(x, y) for x, y in zip(norms, expected, strict=True))


def test_a_graph_can_be_kept_for_another():
    a = torch.rand(3, requires_grad=True)
    shared = a.square()
    backward_alone(shared.sum(), [a], keep=True)
    backward_alone((2 * shared).sum(), [a])
    assert torch.allclose(a.grad, 6 * a.detach())
