from dataclasses import dataclass

import torch

from dream3d.distill.hifa import hifa
from dream3d.distill.sds import sds
from dream3d.distill.weight import sigma_squared
from dream3d.priors.gaussian import Gaussian

MATRIX = torch.tensor([[1.0, 0.5, 0.0, 0.0], [0.0, 2.0, 0.0, 1.0], [0.3, 0.0, 1.0, 0.0]], dtype=torch.float64)


@dataclass
class Latent(Gaussian):
    """x is a latent of 4 numbers, its image 3."""

    calls: int = 0

    def decode(self, x):
        self.calls += 1
        return x @ MATRIX.T


def latent(world) -> Latent:
    return Latent(world.prior.means, world.prior.std)


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples, no decoder: ``(1 + image_weight)`` times SDS."""
    got = world.mean_gradient(lambda *a: hifa(*a, scale=7.5, weight=sigma_squared, image_weight=0.2), t)
    _, sigma = world.levels(t)
    assert close(got, 1.2 * sigma**2 * world.expected_eps(t, world.guided_mean(7.5)))


def test_expected_gradient_with_a_decoder(world, close, t) -> None:
    """20,000 noise_samples, a linear decoder A: ``(1 + image_weight A^T A)`` times SDS."""
    world.prior = latent(world)
    got = world.mean_gradient(lambda *a: hifa(*a, scale=7.5, weight=sigma_squared, image_weight=0.2), t)
    _, sigma = world.levels(t)
    operator = torch.eye(4) + 0.2 * MATRIX.T @ MATRIX
    assert close(got, sigma**2 * operator @ world.expected_eps(t, world.guided_mean(7.5)))


def test_no_decoder_runs_without_image_weight(world) -> None:
    world.prior = latent(world)
    args = world.draw(5, 500)
    got = hifa(*args, scale=7.5, weight=sigma_squared, image_weight=0.0).grad
    assert torch.equal(got, sds(*args, scale=7.5, weight=sigma_squared).grad)
    assert world.prior.calls == 0
