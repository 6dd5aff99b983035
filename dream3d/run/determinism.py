"""Sums in a fixed order, so that the same seed gives the same bits however many threads there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """On a CPU, inside, what torch adds up in threads it adds up in an order that does not change.

    The operator that matters is the way back of indexing (``vertices[faces]``): from 32768 elements on, with
    more than one thread, torch adds with atomics, in whatever order the threads come. Its deterministic twin adds
    in one thread. Memory is not filled before it is used, as torch would do besides; nothing here reads it.

    On a GPU nothing changes: the twins there are slow or missing.
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
