import pytest

from dream3d.schedule import Constant, Cosine, Linear, Piecewise


def test_constant():
    assert Constant(3.0)(0) == Constant(3.0)(10**9) == 3.0


def test_linear_is_flat_outside_and_straight_inside():
    s = Linear(start=1.0, end=3.0, begin=10, finish=20)
    assert [s(0), s(10), s(15), s(20), s(99)] == [1, 1, 2, 3, 3]


def test_cosine_meets_linear_at_ends_and_middle_and_is_slow_at_the_start():
    s = Cosine(start=0.0, end=1.0, finish=100)
    assert s(0) == 0 and s(50) == pytest.approx(0.5) and s(100) == pytest.approx(1)
    assert s(10) < 0.1


def test_piecewise_switches_at_its_steps():
    s = Piecewise([1.0, 2.0, 3.0], [10, 20])
    assert [s(9), s(10), s(19), s(20)] == [1, 2, 2, 3]


def test_wrong_schedules_say_what_is_wrong():
    with pytest.raises(ValueError, match="finish > begin"):
        Linear(0.0, 1.0, finish=5, begin=5)
    with pytest.raises(ValueError, match="one value more than steps"):
        Piecewise([1.0], [10])
