import numpy as np
import pytest
import torch

from dream3d.distill.mvdream import mvdream
from dream3d.distill.weight import uniform


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples, rescale 0: ``x - E x0_hat = (sigma / alpha) expected_eps``."""
    got = world.mean_gradient(lambda *a: mvdream(*a, scale=7.5, weight=uniform, rescale=0.0), t)
    alpha, sigma = world.levels(t)
    assert close(got, sigma / alpha * world.expected_eps(t, world.guided_mean(7.5)))


def test_rescale_second_implementation(world) -> None:
    """The published algorithm in NumPy: pairs of views share the deviation of their x0."""
    prior, x, t, noise, text = world.draw(4, 400)
    got = mvdream(prior, x, t, noise, text, scale=7.5, weight=uniform, rescale=0.5, views=2).grad.numpy()
    a2 = float(prior.alpha_bar[400])
    z = np.sqrt(a2) * x.numpy() + np.sqrt(1 - a2) * noise.numpy()
    cond, null = (
        (0.25 * np.sqrt(a2) * z + (1 - a2) * m.numpy()) / (a2 * 0.25 + 1 - a2) for m in (text.cond, text.null)
    )
    guided = null + 7.5 * (cond - null)
    for pair in (slice(0, 2), slice(2, 4)):
        factor = np.std(cond[pair], ddof=1) / np.std(guided[pair], ddof=1)
        x0 = 0.5 * factor * guided[pair] + 0.5 * guided[pair]
        np.testing.assert_allclose(got[pair], x[pair].numpy() - x0, rtol=1e-6)


def test_batch_must_divide_into_views(world) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        mvdream(*world.draw(6, 400), scale=7.5, weight=uniform, views=4)
    assert torch.isfinite(mvdream(*world.draw(8, 400), scale=7.5, weight=uniform, views=4).loss)
