import numpy as np
import torch

from dream3d.metrics.correlation import pearson
from dream3d.seeding import generator


def test_it_is_numpys() -> None:
    a, b = torch.rand(2, 500, generator=generator(0, 0, "x"), dtype=torch.float64)
    b = b + 0.3 * a
    np.testing.assert_allclose(float(pearson(a, b)), np.corrcoef(a.numpy(), b.numpy())[0, 1])
    assert float(pearson(a, torch.ones_like(a))) == 0


def test_a_constant_has_no_gradient() -> None:
    for other in (torch.rand(50, generator=generator(0, 0, "x")), torch.zeros(50)):
        a = torch.zeros(50, requires_grad=True)
        pearson(a, other).backward()
        assert a.grad is not None and a.grad.abs().max() == 0
