"""Timesteps annealed with the step instead of sampled; interchangeable with ``timesteps.UniformTimesteps``."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Generator, Tensor


@dataclass(frozen=True)
class SqrtAnnealing:
    """HiFA's (arXiv 2305.18766): ``t = T (max - (max - min) sqrt(step / steps))``, one t for the batch."""

    steps: int
    max: float = 0.98
    min: float = 0.3

    def __call__(self, step: int, batch: int, timesteps: int, generator: Generator) -> Int[Tensor, " b"]:
        progress = min(1.0, step / self.steps)
        fraction = self.max - (self.max - self.min) * math.sqrt(progress)
        t = min(int(fraction * timesteps), timesteps - 1)
        return torch.full((batch,), t, device=generator.device)


@dataclass(frozen=True)
class DreamTime:
    """DreamTime's (arXiv 2306.12422): the fraction of steps spent above t is the fraction of W above t.

    ``W(t)`` is 1 for t in [m2, m1] and falls off as a Gaussian of width s1 above and s2 below, all as
    fractions of T; ``t(i) = argmin_t |sum_{u >= t} W(u) / sum_u W(u) - i / steps|``.
    (The paper's later versions multiply W by a factor of the noise schedule, left out here.)
    """

    steps: int
    m1: float = 0.8
    m2: float = 0.5
    s1: float = 0.3
    s2: float = 0.1

    def __call__(self, step: int, batch: int, timesteps: int, generator: Generator) -> Int[Tensor, " b"]:
        u = torch.arange(timesteps, dtype=torch.float64) / timesteps
        above, below = (u - self.m1).clamp(min=0) / self.s1, (self.m2 - u).clamp(min=0) / self.s2
        weight = torch.exp(-0.5 * (above.square() + below.square()))
        share = weight.flip(0).cumsum(0).flip(0) / weight.sum()
        t = int((share - min(1.0, step / self.steps)).abs().argmin())
        return torch.full((batch,), t, device=generator.device)
