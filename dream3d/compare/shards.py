"""Assigns runs to workers: ``shard=2/8``, or from the scheduler's environment variables."""

import os
import re
from collections.abc import Mapping, Sequence

from dream3d.compare.grid import Cell
from dream3d.errors import UserError

SCHEDULERS = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"),
    ("JOB_COMPLETION_INDEX", "", ""),  # a Kubernetes indexed job, which does not know the number of jobs
    ("SKYPILOT_NODE_RANK", "SKYPILOT_NUM_NODES", ""),
    ("SLURM_PROCID", "SLURM_NTASKS", ""),
    ("RANK", "WORLD_SIZE", ""),
)
"""Environment variables for a job's index, the number of jobs, and the first index."""


def shard_of(text: str, environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """``(i, n)`` of ``i/n`` with 0 <= i < n, of ``auto``, or of ``auto/n`` where the scheduler does not tell n.

    Raises:
        UserError: it is none of these, or no scheduler was detected.

    >>> shard_of("2/8")
    (2, 8)
    >>> shard_of("auto", {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1"})
    (2, 4)
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text) or re.fullmatch(r"auto(?:/(\d+))?", text)
    if found is None:
        raise UserError(f"shard: got '{text}', expected i/n (0/8 to 7/8), auto, or auto/n")
    if text.startswith("auto"):
        i, n = scheduled(found[1], environment)
    else:
        i, n = int(found[1]), int(found[2])
    if not 0 <= i < n:
        raise UserError(f"shard: got {i} of {n}, expected a number from 0 to {n - 1}")
    return i, n


def scheduled(count: str | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """This job's index and the number of jobs, from the first scheduler detected."""
    for index, total, first in SCHEDULERS:
        if index in environment:
            known = count or environment.get(total)
            if not known:
                raise UserError(f"shard: got auto with {index}, but not how many jobs there are; use shard=auto/8")
            try:
                return int(environment[index]) - int(environment.get(first, "0")), int(known)
            except ValueError as error:
                raise UserError(f"shard: got auto, but {index} or the number of jobs is no number ({error})") from error
    names = ", ".join(index for index, _, _ in SCHEDULERS)
    raise UserError(f"shard: got auto, but no scheduler has set one of {names}; use shard=0/8 and so on")


def share(cells: Sequence[Cell], worker: int, workers: int) -> list[Cell]:
    """The worker's cells. Variants rotate from one prompt and seed to the next, so that no worker gets all runs of
    a slow variant."""
    groups = {place: i for i, place in enumerate(dict.fromkeys((c.prompt, c.seed) for c in cells))}
    variants = {name: i for i, name in enumerate(dict.fromkeys(c.variant for c in cells))}
    turn = [groups[c.prompt, c.seed] + variants[c.variant] for c in cells]
    return [cell for cell, i in zip(cells, turn, strict=True) if i % workers == worker]


def turns(cells: Sequence[Cell], shard: tuple[int, int], steal: bool) -> list[Cell]:
    """A worker's cells in order: its own; with ``steal``, then those of the others, starting with the last ones,
    which their owners reach last."""
    own = share(cells, *shard)
    taken = {cell.folder for cell in own}
    return own + ([cell for cell in reversed(cells) if cell.folder not in taken] if steal else [])
