import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dream3d.render.normals import normals_analytic, normals_finite
from dream3d.seeding import generator
from dream3d.types import Surface


class Radial(nn.Module):
    """A density that falls off from the origin: its normals are ``x / |x|``."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(5.0))

    def density(self, x: Tensor) -> Tensor:
        return self.gain * torch.exp(-3 * (x * x).sum(-1))

    def surface(self, x: Tensor) -> Surface:
        return Surface(self.density(x), x)


def shell(n: int) -> Tensor:
    direction = F.normalize(torch.randn(n, 3, generator=generator(0, 0, "shell")), dim=-1)
    return direction * torch.linspace(0.2, 0.8, n)[:, None]


def test_analytic_normals_of_a_radial_density_point_outwards():
    x = shell(40)
    assert torch.allclose(normals_analytic(Radial(), x), F.normalize(x, dim=-1), atol=1e-6)


def test_finite_normals_are_close_to_analytic_ones():
    x = shell(40)
    assert torch.allclose(normals_finite(Radial(), x, eps=0.01), F.normalize(x, dim=-1), atol=2e-3)


def test_analytic_normals_without_gradients():
    with torch.no_grad():
        out = normals_analytic(Radial(), shell(4))
    assert not out.requires_grad and torch.allclose(out.norm(dim=-1), torch.ones(4))


def test_flat_density_has_no_normal():
    class Flat(Radial):
        def density(self, x: Tensor) -> Tensor:
            return (0 * x).sum(-1) + 7

    for normals in (normals_analytic, normals_finite):
        assert normals(Flat(), shell(4)).abs().max() == 0


@pytest.mark.parametrize("normals", [normals_analytic, normals_finite])
def test_normals_train_the_field(normals):
    class Squashed(Radial):
        def density(self, x: Tensor) -> Tensor:
            return torch.exp(-(x * x) @ torch.stack((self.gain, self.gain.new_ones(()), self.gain.new_ones(()))))

    field = Squashed()
    normals(field, shell(20))[:, 0].abs().sum().backward()
    assert field.gain.grad is not None and field.gain.grad > 1e-3
