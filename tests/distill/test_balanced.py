import itertools

import numpy as np
import pytest
import torch

from dream3d.distill.balanced import balanced, min_norm
from dream3d.distill.weight import signal


def nearest(d1: np.ndarray, d2: np.ndarray) -> np.ndarray:
    """The point of the segment d1 d2 nearest to 0, by geometry: the foot of the perpendicular, or an end."""
    along = (d1 - d2) / np.linalg.norm(d1 - d2, axis=-1, keepdims=True)
    at = -(d2 * along).sum(-1, keepdims=True)
    length = np.linalg.norm(d1 - d2, axis=-1, keepdims=True)
    return d2 + np.minimum(np.maximum(at, 0), length) * along


@pytest.mark.parametrize("scale", [0.6, 7.5])
def test_expected_gradient(world, close, t, scale) -> None:
    """20,000 noise_samples against Gauss-Hermite quadrature over the noise (16^4 points), in NumPy."""
    got = world.mean_gradient(lambda *a: balanced(*a, scale=scale, weight=signal), t)
    nodes, weights = np.polynomial.hermite_e.hermegauss(16)
    noise = np.array(list(itertools.product(nodes, repeat=4)))
    share = np.prod(np.array(list(itertools.product(weights, repeat=4))), axis=1) / np.sqrt(2 * np.pi) ** 4
    text, (alpha, sigma) = world.text(1), world.levels(t)
    x_t, variance = alpha * world.x[0].numpy() + sigma * noise, (alpha * 0.5) ** 2 + sigma**2
    cond, null = (sigma * (x_t - alpha * m[0].numpy()) / variance for m in (text.cond, text.null))
    want = alpha * (share[:, None] * nearest(scale * (cond - null), null)).sum(0)
    assert close(got, torch.from_numpy(want), tolerance=0.03)


def test_no_other_mix_is_shorter() -> None:
    generator = torch.Generator().manual_seed(0)
    d1, d2 = (torch.randn(200, 3, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    d1[:60] += 2 * d2[:60]  # so that the shorter end is the answer for some
    found = min_norm(d1, d2).flatten(1).norm(dim=1)
    shares = torch.linspace(0, 1, 1001, dtype=torch.float64).view(-1, 1, 1, 1)
    lengths = (shares * d1[:, None].movedim(1, 0) + (1 - shares) * d2[None]).flatten(2).norm(dim=2)
    assert (found <= lengths.min(0).values + 1e-9).all()
    assert (lengths.min(0).values - found).max() < 1e-3
    assert 0 < (lengths.argmin(0) == 0).sum() < 200


def test_it_is_a_descent_for_both() -> None:
    """Nearest to 0 on the segment: the scalar product with either direction is at least its own square."""
    generator = torch.Generator().manual_seed(1)
    d1, d2 = (torch.randn(200, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    d = min_norm(d1, d2)
    own = d.square().sum(1)
    assert ((d * d1).sum(1) >= own - 1e-9).all() and ((d * d2).sum(1) >= own - 1e-9).all()


def test_equal_directions_are_themselves() -> None:
    d = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(min_norm(d, d.clone()), d)
