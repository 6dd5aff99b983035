"""What a comparison will take, from two steps of each variant, before it starts."""

import time
from collections.abc import Mapping, Sequence

import torch
from omegaconf import OmegaConf
from rich.console import Console

from dream3d.compare.grid import Cell
from dream3d.errors import UserError
from dream3d.optimize import optimize
from dream3d.report.console import say
from dream3d.report.manifest import cores, peak_memory
from dream3d.run.build import PriorOf, build
from dream3d.run.construction_errors import constructing

STEPS = 3
"""The first warms up and is not counted."""


def seconds_per_step(cell: Cell, prior_of: PriorOf, workers: int) -> float:
    """Mean of the steps after the first, on a worker's part of the cores.

    Raises:
        UserError: the run cannot begin.
    """
    settings = OmegaConf.create(cell.settings)
    threads = settings.threads or (max(1, cores() // workers) if workers > 1 else 0)
    if threads:
        torch.set_num_threads(threads)
    with constructing():
        setup = build(settings, prior_of)
        spent, begin = [], time.perf_counter()
        for _ in optimize(setup, 0, STEPS):
            if setup.device.type == "cuda":
                torch.cuda.synchronize(setup.device)
            spent.append(time.perf_counter() - begin)
            begin = time.perf_counter()
    return sum(spent[1:]) / (STEPS - 1)


def foretell(
    cells: Sequence[Cell], prior_of: PriorOf, console: Console, workers: int = 1
) -> tuple[dict[str, float], list[UserError]]:
    """Say time and memory for these cells. Returns the expected seconds of the steps of one cell by variant,
    and why variants cannot begin, where they cannot.
    """
    each: dict[str, float] = {}
    problems: list[UserError] = []
    for cell in {cell.variant: cell for cell in reversed(cells)}.values():
        try:
            each[cell.variant] = seconds_per_step(cell, prior_of, workers)
        except UserError as error:
            problems.append(error)
    expected = {c.variant: each[c.variant] * c.settings["steps"] for c in cells if c.variant in each}
    if each:
        say(console, said(cells, each, expected, workers))
    return expected, problems


def said(cells: Sequence[Cell], each: Mapping[str, float], expected: Mapping[str, float], workers: int) -> str:
    """The estimate in one line."""
    total = sum(expected.get(cell.variant, 0.0) for cell in cells) / workers
    rates = ", ".join(f"{variant} {seconds:.2g} s" for variant, seconds in sorted(each.items()))
    peak = peak_memory()
    if torch.cuda.is_available():
        peak = max(peak or 0.0, torch.cuda.max_memory_allocated() / 2**20)
    memory = f"; memory at least {peak / 1024:.1f} GiB{' each' if workers > 1 else ''}" if peak else ""
    shared = f" shared by {workers} workers" if workers > 1 else ""
    return (
        f"estimate: {len(cells)} runs{shared}, {total / 60:.1f} min of steps (a step: {rates}), "
        f"meshes and pictures on top{memory}"
    )
