"""Timesteps, and random generators derived from the noise."""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from dream3d.schedule import Schedule


def row_generators(noise: Float[Tensor, "b *d"], t: Int[Tensor, " b"]) -> list[Generator]:
    """One CPU Generator an image, seeded by the SHA-256 of the bytes of that image's noise and its t.

    Losses that need more randomness than ``noise`` draw it here and so stay pure functions: the same
    noise at the same t gives the same bits, whatever else is in the batch; noise that is held for a whole
    run still gives new bits with every t. On a GPU this waits for the device.
    """
    rows = noise.detach().cpu().contiguous().view(len(noise), -1).view(torch.uint8).numpy()
    levels = t.cpu().numpy().astype("<i8")
    digests = (hashlib.sha256(rows[i].tobytes() + levels[i].tobytes()).digest() for i in range(len(rows)))
    return [Generator().manual_seed(int.from_bytes(d[:8], "little") >> 1) for d in digests]


@dataclass(frozen=True)
class UniformTimesteps:
    """t uniform on the integers of [min T, max T], one an image, or one for all with ``per_batch``.

    ``min`` and ``max`` are fractions of T, numbers or Schedules of the step; ``min == max`` anneals
    deterministically. Raises ValueError where they leave 0 <= min <= max <= 1.
    """

    min: Schedule | float = 0.02
    max: Schedule | float = 0.98
    per_batch: bool = False

    def __call__(self, step: int, batch: int, timesteps: int, generator: Generator) -> Int[Tensor, " b"]:
        low = self.min(step) if callable(self.min) else self.min
        high = self.max(step) if callable(self.max) else self.max
        if not 0 <= low <= high <= 1:
            raise ValueError(
                f"distill.time: got min {low}, max {high} at step {step}, expected fractions of T with "
                "0 <= min <= max <= 1; change distill.time.min or distill.time.max"
            )
        first, last = (min(int(fraction * timesteps), timesteps - 1) for fraction in (low, high))
        n = 1 if self.per_batch else batch
        t = torch.randint(first, last + 1, (n,), generator=generator, device=generator.device)
        return t.expand(batch)
