"""Independent random streams, seeded by (seed, step, stream): resuming or skipping ahead is exact."""

import hashlib

import torch
from torch import Generator, distributed

SHARED = frozenset({"occupancy"})
"""Streams that all processes of a job draw alike, because their state has to stay the same."""


def processes() -> int:
    """How many processes of a torchrun job take part in this run; 1 outside of one."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """The number of this process in a torchrun job; 0 outside of one."""
    return distributed.get_rank() if processes() > 1 else 0


def generator(seed: int, step: int, stream: str, device: torch.device | str = "cpu") -> Generator:
    """A Generator whose seed is a hash of the three; no state is carried from step to step."""
    digest = hashlib.sha256(f"{seed}/{step}/{stream}".encode()).digest()
    return Generator(device=device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def own(seed: int, step: int, stream: str) -> Generator:
    """``generator``, but each process of a torchrun job draws its own (the first: as without a job)."""
    return generator(seed, step, stream if stream in SHARED or not rank() else f"{stream}, process {rank()}")
