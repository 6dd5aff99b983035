import pytest
import torch

from dream3d.distill.annealing import DreamTime, SqrtAnnealing


def t(time, step: int, batch: int = 2) -> list[int]:
    return time(step, batch, 1000, torch.Generator()).tolist()


def test_sqrt_annealing() -> None:
    time = SqrtAnnealing(steps=400)
    assert t(time, 0) == [980, 980]
    assert t(time, 100) == [640, 640]
    assert t(time, 400) == t(time, 900) == [300, 300]


def test_dreamtime_falls_monotonically_over_all_levels() -> None:
    time = DreamTime(steps=200)
    path = [t(time, i, 1)[0] for i in range(201)]
    assert path[0] == 999
    assert path == sorted(path, reverse=True)
    assert path[-1] < 300


@pytest.mark.parametrize("top", [0.9, 0.7, 0.5, 0.4])
def test_dreamtime_spends_steps_in_proportion_to_its_weight(top: float) -> None:
    """The share of steps above a level is the normalised integral of W above it (numerical quadrature)."""

    def weight(u: float) -> float:
        above, below = max(0.0, u - 0.8) / 0.3, max(0.0, 0.5 - u) / 0.1
        return 2.718281828 ** (-0.5 * (above**2 + below**2))

    grid = [(i + 0.5) / 5000 for i in range(5000)]
    want = sum(weight(u) for u in grid if u > top) / sum(map(weight, grid))
    time = DreamTime(steps=500)
    got = sum(t(time, i, 1)[0] > 1000 * top for i in range(500)) / 500
    assert abs(got - want) < 0.01
