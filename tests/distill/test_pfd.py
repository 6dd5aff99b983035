import numpy as np
import pytest
import torch

from dream3d.distill.pfd import denoise, pfd
from dream3d.distill.sdi import sdi
from dream3d.distill.weight import uniform


def test_expected_gradient(world, close, t) -> None:
    """In the limit of many steps: null inversion and conditional denoising between Gaussians of equal spread.

    The ODE keeps the standardised sample, so x is shifted by the means, less what t < infinity leaves:
    ``Phi = x + (cond - null) (1 - alpha std / sqrt(alpha^2 std^2 + sigma^2))``.
    """
    knobs = {"inversion_scale": 0.0, "inversion_steps": 500, "denoise_steps": 500, "eta": 0.0}
    got = world.mean_gradient(lambda *a: pfd(*a, scale=1.0, weight=uniform, **knobs), t, n=4)
    text, (alpha, sigma), std = world.text(1), world.levels(t), world.prior.std
    share = 1 - alpha * std / np.sqrt((alpha * std) ** 2 + sigma**2)
    assert (got + share * (text.cond[0] - text.null[0])).abs().max() < 0.05


def test_guidance_shifts_the_target_further(world) -> None:
    """Scale s denoises towards ``null + s (cond - null)``, which is a Gaussian's mean too."""
    knobs = {"inversion_scale": 0.0, "inversion_steps": 500, "denoise_steps": 500, "eta": 0.0}
    one, three = (pfd(*world.draw(2, 900), scale=s, weight=uniform, **knobs).grad for s in (1.0, 3.0))
    torch.testing.assert_close(three, 3 * one, rtol=0.05, atol=0.05)


def test_vanishes_where_denoising_undoes_the_inversion(world, t) -> None:
    """One condition for both: the gradient goes to 0 with the length of the steps (a first-order solver)."""
    knobs = {"scale": 1.0, "weight": uniform, "inversion_scale": 1.0, "eta": 0.0}
    size = [pfd(*world.draw(2, t), **knobs, inversion_steps=n, denoise_steps=n).grad.norm() for n in (50, 500)]
    assert size[1] < 0.1 and size[1] < 0.5 * size[0]


def test_one_step_is_sdi(world, t) -> None:
    args = world.draw(20, t)
    knobs = {"scale": 7.5, "weight": uniform, "inversion_scale": -7.5, "inversion_steps": 10, "eta": 0.3}
    assert torch.equal(pfd(*args, denoise_steps=1, **knobs).grad, sdi(*args, **knobs).grad)


@pytest.mark.parametrize("steps", [1, 3])
def test_second_implementation(world, steps) -> None:
    """DDIM for one image at a time in NumPy, one t an image."""
    prior, x, _, _, text = world.draw(4, 0)
    t = torch.tensor([5, 90, 500, 990])
    got = denoise(prior, x, t, text, scale=7.5, steps=steps).numpy()
    abar, mean = prior.alpha_bar.numpy(), world.guided_mean(7.5).numpy()
    for i in range(4):
        z = x[i].numpy()
        levels = [int(t[i]) * (steps - k) // steps for k in range(steps)]
        for k, u in enumerate(levels):
            e = np.sqrt(1 - abar[u]) * (z - np.sqrt(abar[u]) * mean) / (abar[u] * 0.25 + 1 - abar[u])
            clean = (z - np.sqrt(1 - abar[u]) * e) / np.sqrt(abar[u])
            if k + 1 < steps:
                z = np.sqrt(abar[levels[k + 1]]) * clean + np.sqrt(1 - abar[levels[k + 1]]) * e
        np.testing.assert_allclose(got[i], clean, rtol=1e-9)
