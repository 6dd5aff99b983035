"""What a run's callback receives after each step."""

from collections.abc import Callable
from dataclasses import dataclass

from dream3d.optimize import Step


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of a stage (coarse, refine, texture) are complete; ``step`` is the last of them."""

    stage: str
    done: int
    total: int
    step: Step


OnStep = Callable[[Progress], None]
