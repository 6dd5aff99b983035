import numpy as np
import pytest
import torch

from dream3d.distill.dds import dds
from dream3d.distill.pds import pds
from dream3d.distill.weight import uniform
from dream3d.types import Conditioning

SOURCE = torch.tensor([[2.0, 2.5, -0.5, 0.0]], dtype=torch.float64)


def source(world, n: int) -> dict:
    text = world.text(n)
    return {"x_src": SOURCE.repeat(n, 1), "text_src": Conditioning(text.contrast, text.null)}


def difference(world, x, t: int, stride: int, noise, other, scale: float) -> np.ndarray:
    """z - z_src by the published algorithm for one image in NumPy: two noises, DDPM's posterior, betas."""
    abar = world.prior.alpha_bar.numpy()
    betas = 1 - abar / np.concatenate([[1.0], abar[:-1]])
    u, text = t - stride, world.text(1)

    def stochastic(image, mean):
        x_t = np.sqrt(abar[t]) * image + np.sqrt(1 - abar[t]) * noise
        x_u = np.sqrt(abar[u]) * image + np.sqrt(1 - abar[u]) * other
        e = np.sqrt(1 - abar[t]) * (x_t - np.sqrt(abar[t]) * mean) / (abar[t] * 0.25 + 1 - abar[t])
        x0 = (x_t - np.sqrt(1 - abar[t]) * e) / np.sqrt(abar[t])
        c0 = np.sqrt(abar[u]) * betas[t] / (1 - abar[t])
        c1 = np.sqrt(1 - betas[t]) * (1 - abar[u]) / (1 - abar[t])
        return (x_u - c0 * x0 - c1 * x_t) / np.sqrt((1 - abar[u]) / (1 - abar[t]) * betas[t])

    null = text.null[0].numpy()
    means = (null + scale * (m[0].numpy() - null) for m in (text.cond, text.contrast))
    return np.subtract(*(stochastic(image, mean) for image, mean in zip((x, SOURCE[0].numpy()), means, strict=True)))


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples; for Gaussians the noise cancels, so the expectation is the value at any."""
    got = world.mean_gradient(lambda *a: pds(*a, **source(world, len(a[1])), scale=7.5, weight=uniform), t)
    want = difference(world, world.x[0].numpy(), t, 2, np.zeros(4), np.zeros(4), 7.5)
    assert close(got, torch.from_numpy(want), tolerance=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 20])
def test_second_implementation(world, stride) -> None:
    """Nothing is left of the noise at the lower level, which the reference draws and the loss does not."""
    prior, x, _, noise, text = world.draw(4, 0)
    t = torch.tensor([25, 200, 500, 990])
    got = pds(prior, x, t, noise, text, **source(world, 4), scale=7.5, weight=uniform, stride=stride).grad.numpy()
    other = np.random.default_rng(0).standard_normal((4, 4))
    for i in range(4):
        want = difference(world, x[i].numpy(), int(t[i]), stride, noise[i].numpy(), other[i], 7.5)
        np.testing.assert_allclose(got[i], want, rtol=1e-5, atol=1e-8)


def test_no_edit_no_drift(world, t) -> None:
    prior, x, times, noise, text = world.draw(20, t)
    grad = pds(prior, x, times, noise, text, x_src=x, text_src=text, scale=7.5, weight=uniform).grad
    assert torch.equal(grad, torch.zeros_like(grad))


def test_keeps_the_source_where_the_stride_is_longer_than_a_timestep(world) -> None:
    """Stride 1: parallel to DDS, no pull. Longer: what is left beside DDS's direction is along x - x_src."""
    prior, x, t, noise, text = world.draw(1, 500)
    other = source(world, 1)
    delta = dds(prior, x, t, noise, text, **other, scale=7.5, weight=uniform).grad[0]
    one, many = (pds(prior, x, t, noise, text, **other, scale=7.5, weight=uniform, stride=s).grad[0] for s in (1, 20))
    assert torch.nn.functional.cosine_similarity(one, delta, dim=0) > 1 - 1e-6
    factors = torch.linalg.lstsq(torch.stack([delta, (x - other["x_src"])[0]], 1), many[:, None]).solution.flatten()
    torch.testing.assert_close(factors[0] * delta + factors[1] * (x - other["x_src"])[0], many, rtol=1e-5, atol=1e-6)
    assert factors[1] > 1e-3


def test_finite_at_both_ends(world) -> None:
    for t in (0, 1, 2, 999):
        prior, x, times, noise, text = world.draw(2, t)
        result = pds(prior, x, times, noise, text, **source(world, 2), scale=7.5, weight=uniform)
        assert torch.isfinite(result.grad).all()
