"""Independent random streams, seeded by (seed, step, stream): resuming or skipping ahead is exact."""

import hashlib

import torch
from torch import Generator


def generator(seed: int, step: int, stream: str, device: torch.device | str = "cpu") -> Generator:
    """A Generator whose seed is a hash of the three; no state is carried from step to step."""
    digest = hashlib.sha256(f"{seed}/{step}/{stream}".encode()).digest()
    return Generator(device=device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)
