"""How threads wait for each other: set before torch is imported, which reads it once."""

import os

SPINS = "5000"
"""Turns of GNU OpenMP's waiting loop, a few microseconds; its own default waits for milliseconds."""


def spin_briefly() -> None:
    """Let OpenMP's threads sleep soon while they wait, unless the user has chosen how they wait.

    A thread that spins takes the core from whatever its sibling waits for. With two threads on two cores that other
    work kept busy, small tensors took 1.4 to 1.8 s instead of 0.4 (``docs/log``).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
        os.environ.setdefault("KMP_BLOCKTIME", "1")  # milliseconds; LLVM's and Intel's OpenMP
