import math

import pytest
import torch

from dream3d.metrics.diversity import diversity


def test_identical_results_have_none():
    assert diversity(torch.ones(4, 7)) == 0


def test_mean_over_the_pairs_of_a_triangle():
    assert diversity(torch.tensor([[0.0, 0], [3, 0], [0, 4]])) == pytest.approx((3 + 4 + 5) / 3)


def test_orthogonal_unit_vectors():
    assert diversity(torch.eye(6)) == pytest.approx(math.sqrt(2))


def test_one_result_is_refused():
    with pytest.raises(ValueError, match="got 1 results"):
        diversity(torch.ones(1, 3))
