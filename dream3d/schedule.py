"""Numbers that change with the step: ``schedule(step) -> float``. Always steps, never epochs."""

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


class Schedule(ABC):
    """Base class of schedules; subclass it for your own. A Schedule among the settings of a loss is replaced by its
    value at every step (being callable alone would not distinguish it from a weight w(t))."""

    @abstractmethod
    def __call__(self, step: int) -> float:
        """The value at this step, from 0 on."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at every step."""

    value: float

    def __call__(self, step: int) -> float:
        return self.value


@dataclass(frozen=True)
class Linear(Schedule):
    """Linear from ``start`` to ``end`` between steps ``begin`` and ``finish``; constant outside."""

    start: float
    end: float
    finish: int
    begin: int = 0

    def __post_init__(self) -> None:
        if self.finish <= self.begin:
            raise ValueError(f"schedule: got begin {self.begin}, finish {self.finish}; expected finish > begin")

    def progress(self, step: int) -> float:
        """0 before ``begin``, 1 after ``finish``."""
        return min(1.0, max(0.0, (step - self.begin) / (self.finish - self.begin)))

    def __call__(self, step: int) -> float:
        return self.start + (self.end - self.start) * self.progress(step)


@dataclass(frozen=True)
class Cosine(Linear):
    """Like Linear, along half a cosine: slow at both ends."""

    def __call__(self, step: int) -> float:
        return self.end + (self.start - self.end) * 0.5 * (1 + math.cos(math.pi * self.progress(step)))


@dataclass(frozen=True)
class Piecewise(Schedule):
    """``values[i]`` from step ``steps[i - 1]`` on; ``values`` has one item more than ``steps``."""

    values: Sequence[float]
    steps: Sequence[int]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.steps) + 1 or sorted(self.steps) != list(self.steps):
            raise ValueError(
                f"schedule: got {len(self.values)} values and steps {list(self.steps)}; "
                "expected ascending steps and one value more than steps"
            )

    def __call__(self, step: int) -> float:
        return self.values[bisect_right(self.steps, step)]
