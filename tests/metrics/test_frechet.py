import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from dream3d.metrics.frechet import frechet, kernel_distance


def normal(n: int, d: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def test_closed_form_of_two_gaussians() -> None:
    """N(0, 1) and N(3, 2^2) in 4 dimensions: 4 (3^2 + (2 - 1)^2) = 40."""
    assert frechet(normal(50_000, 4, 0), normal(50_000, 4, 1, 2.0, 3.0)) == pytest.approx(40, rel=0.02)


@pytest.mark.parametrize("n", [7, 200])
def test_the_published_formula_with_a_matrix_root(n: int) -> None:
    """SciPy's root of C_1 C_2, with more and with fewer samples than the 12 features."""
    mixing = normal(12, 12, 5)
    a, b = normal(n, 12, 0) @ mixing, normal(n + 3, 12, 1, 0.7, 0.2)
    c1, c2 = (np.cov(x.double().numpy(), rowvar=False) for x in (a, b))
    apart = (a.double().mean(0) - b.double().mean(0)).square().sum().item()
    want = apart + np.trace(c1 + c2 - 2 * np.real(sqrtm(c1 @ c2)))
    assert frechet(a, b) == pytest.approx(want, rel=1e-4)


def test_equal_sets_are_at_zero() -> None:
    a = normal(20, 30, 0)
    assert frechet(a, a) < 1e-9
    assert frechet(a, a[torch.randperm(20, generator=torch.Generator().manual_seed(0))]) < 1e-9


def test_kernel_distance_is_unbiased() -> None:
    """Ten samples of one distribution: 0 on average over 400 pairs of sets; the Frechet distance is far from it."""
    pairs = [(normal(10, 6, 2 * i), normal(10, 6, 2 * i + 1)) for i in range(400)]
    found = torch.tensor([kernel_distance(*pair) for pair in pairs])
    assert abs(found.mean()) < 4 * found.std() / 20
    assert np.mean([frechet(*pair) for pair in pairs]) > 1


def test_kernel_distance_second_implementation() -> None:
    a, b = normal(5, 3, 0).double(), normal(4, 3, 1, shift=1.0).double()

    def k(x, y):
        return (float(x @ y) / 3 + 1) ** 3

    def within(s):
        return np.mean([k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j])

    want = within(a) + within(b) - 2 * np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(want)


def test_one_sample_has_no_spread() -> None:
    with pytest.raises(ValueError, match="got 1 and 5 samples"):
        frechet(normal(1, 3, 0), normal(5, 3, 1))
