"""A world where every expectation is a formula: Gaussian data in 4 dimensions, float64."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from dream3d.priors.gaussian import Gaussian, gaussian_eps
from dream3d.types import Conditioning, Distilled

COND, NULL, CONTRAST = (
    torch.tensor(m, dtype=torch.float64) for m in ([1.0, -1.0, 0.5, 2.0], [0.2, 0.3, -0.4, 0.1], [-0.5, 1.0, 0.0, -1.0])
)


@dataclass
class GaussianStudent:
    """An exact student of N(mean, std^2 I)."""

    alpha_bar: Tensor
    mean: Tensor
    std: float

    def eps(self, x_t: Tensor, t: Tensor, text: Conditioning) -> Tensor:
        return gaussian_eps(x_t, self.alpha_bar[t], self.mean.expand_as(x_t), self.std)


@dataclass
class World:
    """One image x, the prior, and the same x with n noise_samples."""

    prior: Gaussian
    x: Tensor

    def text(self, n: int) -> Conditioning:
        rows = [m.expand(n, -1).clone() for m in (COND, NULL, CONTRAST)]
        return Conditioning(cond=rows[0], null=rows[1], contrast=rows[2])

    def draw(self, n: int, t: int, seed: int = 0) -> tuple[Gaussian, Tensor, Tensor, Tensor, Conditioning]:
        """The positional arguments of a loss."""
        noise = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return self.prior, self.x.repeat(n, 1), torch.full((n,), t), noise, self.text(n)

    def mean_gradient(self, loss: Callable[..., Distilled], t: int, n: int = 20_000) -> Tensor:
        """Monte Carlo over n noise_samples."""
        return loss(*self.draw(n, t)).grad.mean(0)

    def levels(self, t: int) -> tuple[float, float]:
        abar = float(self.prior.alpha_bar[t])
        return abar**0.5, (1 - abar) ** 0.5

    def expected_eps(self, t: int, mean: Tensor, std: float | None = None) -> Tensor:
        """``E eps(x_t)`` of N(mean, std^2 I): ``sigma alpha (x - mean) / (alpha^2 std^2 + sigma^2)``."""
        alpha, sigma = self.levels(t)
        variance = (alpha * (self.prior.std if std is None else std)) ** 2 + sigma**2
        return sigma * alpha * (self.x[0] - mean) / variance

    def guided_mean(self, scale: float) -> Tensor:
        """The prediction is linear in the mean, so guidance acts as a Gaussian about this point."""
        return NULL + scale * (COND - NULL)


def close(got: Tensor, expected: Tensor, tolerance: float = 0.02) -> bool:
    """Relative error of the vector at most ``tolerance``."""
    return bool((got - expected).norm() <= tolerance * expected.norm())


@pytest.fixture
def world() -> World:
    prior = Gaussian({"": NULL, "cond": COND}, std=0.5)
    return World(prior, torch.tensor([[3.0, 2.0, -1.0, 1.0]], dtype=torch.float64))


@pytest.fixture
def student(world: World) -> GaussianStudent:
    return GaussianStudent(world.prior.alpha_bar, torch.tensor([0.3, 0.0, 1.0, -1.0], dtype=torch.float64), 0.3)


@pytest.fixture
def dirac(world: World) -> GaussianStudent:
    """A student that knows the one particle exactly."""
    return GaussianStudent(world.prior.alpha_bar, world.x[0], 0.0)


@pytest.fixture(name="close")
def _close() -> Callable[..., bool]:
    return close


@pytest.fixture(params=[60, 500, 940])
def t(request: pytest.FixtureRequest) -> int:
    """A low, a middle and a high noise level."""
    return request.param
