import numpy as np
import pytest
import torch

from dream3d.distill.sds import sds
from dream3d.distill.sjc import sjc, sjc_raw
from dream3d.distill.weight import sigma_squared, uniform


@pytest.mark.parametrize("estimator", [sjc, sjc_raw])
def test_expected_gradient(world, close, t, estimator) -> None:
    """20,000 noise_samples: ``(x - E D) / s`` of both estimators is ``expected_eps``."""
    got = world.mean_gradient(lambda *a: estimator(*a, scale=7.5, weight=uniform), t)
    assert close(got, world.expected_eps(t, world.guided_mean(7.5)))


def test_is_sds_with_the_same_weight(world, t) -> None:
    """SJC's own weight is 1, DreamFusion's sigma_t^2; with either they agree noise by noise."""
    args = world.draw(10, t)
    for weight in (uniform, sigma_squared):
        want = sds(*args, scale=20.0, weight=weight).grad
        torch.testing.assert_close(sjc(*args, scale=20.0, weight=weight).grad, want)


def test_estimators_differ_by_the_noise(world) -> None:
    args = world.draw(10, 500)
    raw, reduced = (f(*args, scale=3.0, weight=uniform).grad for f in (sjc_raw, sjc))
    torch.testing.assert_close(raw - reduced, args[3])


def test_n_perturbations_are_averaged_by_repeating(world) -> None:
    """The gradient on x of 7 repeats is the mean of the 7 single gradients."""
    prior, _, t, noise, text = world.draw(7, 400)
    x = world.x.clone().requires_grad_()
    sjc(prior, x.repeat_interleave(7, dim=0), t, noise, text, scale=7.5, weight=uniform).loss.backward()
    singles = sjc(*world.draw(7, 400), scale=7.5, weight=uniform).grad
    torch.testing.assert_close(x.grad[0], singles.mean(0))


def test_second_implementation(world) -> None:
    """Perturb-and-average scoring, Eq. 15 and 16, in NumPy: a VE denoiser of N(m, 0.25 I) fed z = x + s n."""
    prior, x, _, noise, text = world.draw(4, 0)
    t = torch.tensor([5, 300, 700, 990])
    got = [f(prior, x, t, noise, text, scale=4.0, weight=uniform).grad.numpy() for f in (sjc, sjc_raw)]
    for i in range(4):
        a2 = prior.alpha_bar.numpy()[t[i]]
        s = np.sqrt((1 - a2) / a2)
        z = x[i].numpy() + s * noise[i].numpy()
        cond, null = ((0.25 * z + s**2 * m[i].numpy()) / (0.25 + s**2) for m in (text.cond, text.null))
        denoised = null + 4.0 * (cond - null)
        np.testing.assert_allclose(got[0][i], (x[i].numpy() - denoised) / s, rtol=1e-7)
        np.testing.assert_allclose(got[1][i], (z - denoised) / s, rtol=1e-7)
