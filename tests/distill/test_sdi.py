import numpy as np
import torch

from dream3d.distill.sdi import invert, sdi
from dream3d.distill.weight import uniform


def reference(world, t: int, end: int, scale: float, inversion_scale: float) -> np.ndarray:
    """``x - x0_hat`` without the inversion's randomness, for the final level ``end``, in NumPy."""
    abar, x = world.prior.alpha_bar.numpy(), world.x[0].numpy()

    def eps(z, u, s):
        mean = world.guided_mean(s).numpy()
        return np.sqrt(1 - abar[u]) * (z - np.sqrt(abar[u]) * mean) / (abar[u] * 0.25 + 1 - abar[u])

    z, u = x, 0
    for v in [*(r for r in range(100, 1000, 100) if r < t), end]:
        e = eps(z, u, inversion_scale)
        clean = (z - np.sqrt(1 - abar[u]) * e) / np.sqrt(abar[u])
        z, u = np.sqrt(abar[v]) * clean + np.sqrt(1 - abar[v]) * e, v
    found = (z - np.sqrt(abar[end]) * x) / np.sqrt(1 - abar[end])
    x_t = np.sqrt(abar[t]) * x + np.sqrt(1 - abar[t]) * found
    return x - (x_t - np.sqrt(1 - abar[t]) * eps(x_t, t, scale)) / np.sqrt(abar[t])


def test_expected_gradient(world, close, t) -> None:
    """10,000 draws with eta 0.3: the mean over the 100 equally likely final levels."""
    got = world.mean_gradient(lambda *a: sdi(*a, scale=7.5, weight=uniform), t, n=10_000)
    want = np.mean([reference(world, t, min(t + k, 999), 7.5, -7.5) for k in range(100)], axis=0)
    assert close(got, torch.from_numpy(want))


def test_inversion_and_sampling_are_inverse(world) -> None:
    """With many steps and one guidance, denoising along the same path leads back to x."""
    prior, x, t, noise, text = world.draw(3, 600)
    found = invert(prior, x, t, noise, text, scale=1.0, steps=500, eta=0.0)
    abar = prior.alpha_bar
    z = abar[600].sqrt() * x + (1 - abar[600]).sqrt() * found
    for u in range(600, 0, -1):
        e = prior.eps(z, torch.full((3,), u), text).cond
        clean = (z - (1 - abar[u]).sqrt() * e) / abar[u].sqrt()
        z = abar[u - 1].sqrt() * clean + (1 - abar[u - 1]).sqrt() * e
    torch.testing.assert_close(z, x, atol=0.05, rtol=0)
