import numpy as np
import pytest
import torch

from dream3d.distill.rfds_rev import rfds_rev
from dream3d.distill.sds import sds
from dream3d.distill.weight import flow, sigma_squared, uniform


def velocity(world, z: np.ndarray, s: float, mean: np.ndarray) -> np.ndarray:
    """``E[e - x | (1 - s) x + s e = z]`` for x ~ N(mean, std^2): linear regression, in the flow's own terms."""
    std2 = world.prior.std**2
    gain = (s - (1 - s) * std2) / ((1 - s) ** 2 * std2 + s**2)
    return -mean + gain * (z - (1 - s) * mean)


def rectified(world, x: np.ndarray, t: int, e: np.ndarray, *, scale: float, reversals: int) -> np.ndarray:
    """The paper's two equations for a rectified flow with the same signal-to-noise ratio, in NumPy."""
    alpha, sigma = world.levels(t)
    s, text = sigma / (alpha + sigma), world.text(1)
    cond, null = text.cond[0].numpy(), text.null[0].numpy()
    for _ in range(reversals):
        e = e + (1 - s) * (velocity(world, (1 - s) * x + s * e, s, cond) + x - e)
    z = (1 - s) * x + s * e
    v = velocity(world, z, s, null)
    v = v + scale * (velocity(world, z, s, cond) - v)
    return v - (e - x)


@pytest.mark.parametrize("reversals", [0, 1, 3])
def test_expected_gradient(world, close, t, reversals) -> None:
    """20,000 noise_samples. All maps are affine in the noise, so the expectation is the value at noise 0."""
    got = world.mean_gradient(lambda *a: rfds_rev(*a, scale=7.5, weight=flow, reversals=reversals), t)
    want = rectified(world, world.x[0].numpy(), t, np.zeros(4), scale=7.5, reversals=reversals)
    assert close(got, torch.from_numpy(want))


@pytest.mark.parametrize("reversals", [1, 2])
def test_second_implementation(world, t, reversals) -> None:
    prior, x, times, noise, text = world.draw(5, t)
    got = rfds_rev(prior, x, times, noise, text, scale=7.5, weight=flow, reversals=reversals).grad.numpy()
    for i in range(5):
        want = rectified(world, x[i].numpy(), t, noise[i].numpy(), scale=7.5, reversals=reversals)
        np.testing.assert_allclose(got[i], want, rtol=1e-6, atol=1e-8)


def test_rfds_is_sds_with_the_weight_flow(world, t) -> None:
    args = world.draw(5, t)
    got = sds(*args, scale=7.5, weight=flow).grad.numpy()
    for i in range(5):
        want = rectified(world, args[1][i].numpy(), t, args[3][i].numpy(), scale=7.5, reversals=0)
        np.testing.assert_allclose(got[i], want, rtol=1e-6, atol=1e-8)


def test_without_reversal_it_is_sds(world, t) -> None:
    args = world.draw(20, t)
    got = rfds_rev(*args, scale=7.5, weight=sigma_squared, reversals=0).grad
    assert torch.equal(got, sds(*args, scale=7.5, weight=sigma_squared).grad)


def test_reversal_forgets_the_noise(world) -> None:
    """Its prediction varies far less than the noise itself at small t, the more so the more often."""
    args = world.draw(200, 60)
    spread = [rfds_rev(*args, scale=1.0, weight=uniform, reversals=n).grad.std(0).max() for n in (0, 1, 2)]
    assert spread[1] < 0.2 * spread[0] and spread[2] < spread[1]
