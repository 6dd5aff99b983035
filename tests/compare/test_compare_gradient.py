import math

import pytest
import torch
from cheap import ball, words
from omegaconf import OmegaConf

from dream3d.compare.gradient import gradient_moments, moments
from dream3d.compare.grid import cells
from dream3d.compare.settings import read
from dream3d.run.build import build
from dream3d.types import Distilled


def test_moments_of_a_known_distribution():
    """g = 3 + 0.5 e: signal 9, variance 0.25; and noise alone has no signal."""
    noise = torch.randn(40, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    signal, variance = moments(3 + 0.5 * noise)
    assert signal == pytest.approx(9, rel=0.02) and variance == pytest.approx(0.25, rel=0.05)
    signal, variance = moments(noise)
    assert signal < 0.01 and variance == pytest.approx(1, rel=0.05)
    assert moments(torch.ones(3, 5)) == (1.0, 0.0)


def test_one_sample_has_no_variance():
    with pytest.raises(ValueError, match="at least 2"):
        moments(torch.ones(1, 3))


def test_each_t_is_measured_at_a_fixed_x(tmp_path):
    """A loss whose gradient is (t / T) * noise: variance (t / T)^2, no signal, whatever x is."""
    from dataclasses import replace

    request = read(words(ball(tmp_path), tmp_path))
    setup = build(OmegaConf.create(cells(request)[0].settings))
    seen = []

    def loss(prior, x, t, noise, text):
        seen.append(x)
        grad = noise * (t / len(prior.alpha_bar)).view(-1, 1, 1, 1)
        return Distilled(torch.zeros(()), grad)

    found = gradient_moments(replace(setup, loss=loss), 0, [0.25, 0.5], noise_samples=16)
    for (signal, variance), u in zip(found, (0.25, 0.5), strict=True):
        assert math.isclose(variance, u**2, rel_tol=0.1) and signal < 0.02 * variance
    assert all(torch.equal(x[0], row) for x in seen for row in x)
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
