"""Deterministic summation order, so that the same seed gives the same bits on any number of threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Context in which torch's multithreaded sums on the CPU have a fixed order.

    The operator that matters is the backward pass of indexing (``vertices[faces]``): from 32768 elements on, with
    several threads, torch accumulates with atomics in arbitrary order. Its deterministic implementation uses one
    thread. Filling uninitialised memory, which torch would do as well, is switched off: nothing here reads it.

    Nothing changes on a GPU, where deterministic implementations are slow or missing.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    switch: Any = torch.utils.deterministic
    filled = switch.fill_uninitialized_memory
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
        switch.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        switch.fill_uninitialized_memory = filled
