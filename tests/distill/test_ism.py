import numpy as np
import pytest
import torch

from dream3d.distill.ism import ism
from dream3d.distill.weight import uniform


def reference(world, x, t, noise, *, steps, scale=7.5, interval=80, stride=200):
    """LucidDreamer's algorithm for one image, in NumPy, with scalars and a while loop."""
    abar, text = world.prior.alpha_bar.numpy(), world.text(1)
    cond, null = text.cond[0].numpy(), text.null[0].numpy()

    def eps(z, u, mean):
        return np.sqrt(1 - abar[u]) * (z - np.sqrt(abar[u]) * mean) / (abar[u] * 0.25 + 1 - abar[u])

    def move(z, e, u, v):
        return np.sqrt(abar[v]) * (z - np.sqrt(1 - abar[u]) * e) / np.sqrt(abar[u]) + np.sqrt(1 - abar[v]) * e

    s = max(t - interval, 0)
    u = max(s - stride * steps, 0)
    z = np.sqrt(abar[u]) * x + np.sqrt(1 - abar[u]) * noise
    while u < s:
        v = min(u + stride, s)
        z, u = move(z, eps(z, u, null), u, v), v
    target = eps(z, s, null)
    z = move(z, target, s, t)
    return eps(z, t, null) + scale * (eps(z, t, cond) - eps(z, t, null)) - target


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples. Every map is affine in the noise, so the expectation is the value at noise 0."""
    got = world.mean_gradient(lambda *a: ism(*a, scale=7.5, weight=uniform), t)
    want = reference(world, world.x[0].numpy(), t, np.zeros(4), steps=5)
    assert close(got, torch.from_numpy(want))


@pytest.mark.parametrize("steps", [2, 5])
def test_second_implementation(world, steps) -> None:
    """One t an image, so that rows start and stop at different levels."""
    prior, x, _, noise, text = world.draw(6, 0)
    t = torch.tensor([3, 90, 281, 500, 777, 990])
    knobs = {"interval": 80.0, "stride": 200, "inversion_steps": steps}
    got = ism(prior, x, t, noise, text, scale=7.5, weight=uniform, **knobs).grad.numpy()
    for i in range(6):
        want = reference(world, x[i].numpy(), int(t[i]), noise[i].numpy(), steps=steps)
        np.testing.assert_allclose(got[i], want, rtol=1e-7, atol=1e-9)
