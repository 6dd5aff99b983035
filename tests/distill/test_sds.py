import numpy as np
import torch

from dream3d.distill.sds import sds
from dream3d.distill.weight import alpha_sigma_squared, sigma_squared


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples: ``w sigma alpha (x - m_guided) / variance``."""
    got = world.mean_gradient(lambda *a: sds(*a, scale=7.5, weight=sigma_squared), t)
    _, sigma = world.levels(t)
    assert close(got, sigma**2 * world.expected_eps(t, world.guided_mean(7.5)))


def test_second_implementation(world) -> None:
    """From the paper's Eq. 3 in NumPy, one t an image."""
    prior, x, _, noise, text = world.draw(5, 0)
    t = torch.tensor([1, 200, 500, 800, 998])
    got = sds(prior, x, t, noise, text, scale=30.0, weight=alpha_sigma_squared).grad.numpy()
    for i in range(5):
        a2 = prior.alpha_bar.numpy()[t[i]]
        z = np.sqrt(a2) * x[i].numpy() + np.sqrt(1 - a2) * noise[i].numpy()
        score_y, score_0 = (-(z - np.sqrt(a2) * m[i].numpy()) / (a2 * 0.25 + 1 - a2) for m in (text.cond, text.null))
        eps = -np.sqrt(1 - a2) * (score_0 + 30.0 * (score_y - score_0))
        want = np.sqrt(a2) * (1 - a2) * (eps - noise[i].numpy())
        np.testing.assert_allclose(got[i], want, rtol=1e-9)


def test_clip_bounds_the_gradient(world) -> None:
    args = world.draw(50, 500)
    free = sds(*args, scale=50.0, weight=sigma_squared).grad
    bound = sds(*args, scale=50.0, weight=sigma_squared, clip=0.5).grad
    assert free.abs().max() > 0.5
    assert torch.equal(bound, free.clamp(-0.5, 0.5))


def test_rescale_restores_the_spread_of_the_conditional(world) -> None:
    args = world.draw(3, 500)
    noise = args[3]
    eps = sds(*args, scale=20.0, weight=torch.ones_like, rescale=1.0).grad + noise
    cond = sds(*args, scale=1.0, weight=torch.ones_like).grad + noise
    torch.testing.assert_close(eps.std(dim=1), cond.std(dim=1))
