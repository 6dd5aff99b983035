import numpy as np
import torch

from dream3d.distill.cds import cds
from dream3d.distill.timesteps import row_generators
from dream3d.distill.weight import uniform


def explicit(world, x, t: int, u: int, noise, scale: float):
    """Consistent3D's algorithm for one image in its own variance-exploding form, in NumPy.

    ``z_u = x + s_u n``, Euler from s_u to s_t along ``dz/ds = eps``; D the denoised sample.
    """
    abar, mean = world.prior.alpha_bar.numpy(), world.guided_mean(scale).numpy()
    s = np.sqrt((1 - abar) / abar)

    def eps(z, level):
        return s[level] * (z - mean) / (0.25 + s[level] ** 2)

    z_u = x + s[u] * noise
    z_t = z_u + (s[t] - s[u]) * eps(z_u, u)
    d_u, d_t = z_u - s[u] * eps(z_u, u), z_t - s[t] * eps(z_t, t)
    return (d_t - d_u) / s[t]


def intervals(noise, t, shortest: float, longest: float) -> list[int]:
    r = [float(torch.rand((), generator=g)) for g in row_generators(noise, t)]
    return [int(1000 * (shortest + value * (longest - shortest))) for value in r]


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples. Given the interval all is affine in the noise: the mean over the equally likely u."""
    if t == 940:
        t = 700  # so that u < T
    got = world.mean_gradient(lambda *a: cds(*a, scale=7.5, weight=uniform), t)
    x = world.x[0].numpy()
    want = np.mean([explicit(world, x, t, t + gap, np.zeros(4), 7.5) for gap in range(100, 300)], axis=0)
    assert close(got, torch.from_numpy(want))


def test_second_implementation(world) -> None:
    prior, x, _, noise, text = world.draw(5, 0)
    t = torch.tensor([10, 100, 300, 500, 690])
    got = cds(prior, x, t, noise, text, scale=7.5, weight=uniform, shortest=0.05, longest=0.3).grad.numpy()
    for i, gap in enumerate(intervals(noise, t, 0.05, 0.3)):
        want = explicit(world, x[i].numpy(), int(t[i]), int(t[i]) + gap, noise[i].numpy(), 7.5)
        np.testing.assert_allclose(got[i], want, rtol=1e-6, atol=1e-8)


def test_descent_leads_to_what_the_noisier_sample_says(world) -> None:
    """Without noise, the noisier estimate is nearer to the prompt's mean, and so is x after a step."""
    prior, x, t, noise, text = world.draw(1, 300)
    grad = cds(prior, x, t, 0 * noise, text, scale=1.0, weight=uniform).grad
    assert (x - 0.1 * grad - text.cond).norm() < (x - text.cond).norm()


def test_held_noise_still_draws_new_intervals(world) -> None:
    """The interval follows from noise and t: with noise=fixed it would else be one for the whole run."""
    noise = world.draw(1, 0)[3]
    assert len({intervals(noise, torch.tensor([t]), 0.1, 0.3)[0] for t in range(100, 120)}) > 10
