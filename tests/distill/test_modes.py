"""What docs/modes.png shows, asserted: 256 particles from one start under an exact two-mode prior."""

import runpy
from pathlib import Path

import pytest

FIGURE = runpy.run_path(str(Path(__file__).parents[2] / "scripts/figure_modes.py"))


@pytest.fixture(scope="module")
def final():
    return {name: FIGURE["paths"](name)[-1] for name in ("sds", "vsd")}


def test_sds_collapses_to_a_point_of_one_mode(final) -> None:
    x = final["sds"]
    right = x[x > 0]
    assert len(right) >= 0.95 * len(x)
    assert right.var() < 0.1 * 0.25


def test_vsd_covers_both_modes_with_their_variance(final) -> None:
    """Shares within 5 points of one half; mean and variance of each mode within 10 %."""
    x = final["vsd"]
    assert abs((x > 0).double().mean() - 0.5) < 0.05
    for mode, part in ((1.5, x[x > 0]), (-1.5, x[x < 0])):
        assert abs(part.mean() - mode) < 0.1
        assert abs(part.var() - 0.25) < 0.025


def test_figure_is_drawn(tmp_path) -> None:
    image = FIGURE["panel"](FIGURE["paths"]("sds", particles=8, steps=5))
    assert image.shape == (360, 540, 3)
    assert 0 <= image.min() < 0.5
    assert image.max() <= 1
