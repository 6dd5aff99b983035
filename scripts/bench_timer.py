"""Times of several jobs, measured in turn, so that what slows the machine down slows all of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Job = Callable[[int], object]
"""A job is told the round it runs in."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one job: median, quartiles and mean over the rounds."""

    median: float
    low: float
    high: float
    mean: float
    rounds: int


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(job: Job, number: int) -> float:
    synchronize()
    begin = time.perf_counter()
    job(number)
    synchronize()
    return time.perf_counter() - begin


def interleaved(jobs: Mapping[str, Job], rounds: int, warmup: int = 2) -> dict[str, list[float]]:
    """Seconds of every job in every round; the rounds of the warm-up are numbered too, but not kept."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(warmup + rounds):
        for name, job in jobs.items():
            spent = seconds(job, number)
            if number >= warmup:
                times[name].append(spent)
    return times


def timing(times: list[float]) -> Timing:
    """Their summary."""
    low, median, high = torch.tensor(times, dtype=torch.float64).quantile(torch.tensor([0.25, 0.5, 0.75]).double())
    return Timing(float(median), float(low), float(high), sum(times) / len(times), len(times))


def ratio(times: list[float], reference: list[float]) -> dict[str, float]:
    """How many times as long: of the means, and the quartiles of the rounds' own ratios."""
    pairs = timing([a / b for a, b in zip(times, reference, strict=True)])
    of_means = sum(times) / sum(reference)
    return {"of means": of_means, "median": pairs.median, "low": pairs.low, "high": pairs.high}
