"""Estimates the time and memory of a comparison from a few steps of each variant and one shortened run."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import OmegaConf
from rich.console import Console

from dream3d.compare.grid import Cell
from dream3d.compare.settings import Settings
from dream3d.compare.work import attempt
from dream3d.errors import UserError
from dream3d.optimize import optimize
from dream3d.report.console import say
from dream3d.report.manifest import cores, peak_memory
from dream3d.run.build import PriorOf, build
from dream3d.run.construction_errors import constructing

SAMPLED = (0.125, 0.375, 0.625, 0.875)
"""Fractions of the run at which steps are timed: inversions take longer at high noise, that is, at the start."""
SHORT = 2
"""Steps of the shortened run that times what follows the steps: mesh, images, measurements."""
MANY = 4
"""Minimum number of runs per variant for which that is worth its time."""


def seconds_per_step(cell: Cell, prior_of: PriorOf, workers: int) -> float:
    """Mean time of steps spread over the run, after a warm-up step, on a worker's share of the cores.

    Raises:
        UserError: the run cannot start.
    """
    settings = OmegaConf.create(cell.settings)
    threads = settings.threads or (max(1, cores() // workers) if workers > 1 else 0)
    if threads:
        torch.set_num_threads(threads)
    with constructing():
        setup = build(settings, prior_of)
        spent = []
        for step in (0, *(int(share * settings.steps) for share in SAMPLED)):
            begin = time.perf_counter()
            for _ in optimize(setup, step, step + 1):
                if setup.device.type == "cuda":
                    torch.cuda.synchronize(setup.device)
            spent.append(time.perf_counter() - begin)
    return sum(spent[1:]) / len(SAMPLED)


def seconds_besides(cell: Cell, settings: Settings, prior_of: PriorOf, each: float) -> float:
    """Time of a run besides its steps: that of a run of SHORT steps minus those steps. 0 if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        own = {**cell.settings, "steps": SHORT, "out": folder}
        begin = time.perf_counter()
        failed = attempt(replace(cell, folder=place, measures=place, settings=own), settings, prior_of)
        return 0.0 if failed else max(0.0, time.perf_counter() - begin - SHORT * each)


def estimate_runs(
    cells: Sequence[Cell], settings: Settings, prior_of: PriorOf, console: Console, workers: int = 1
) -> tuple[dict[str, float], list[UserError]]:
    """Print time and memory for these cells. Returns the expected seconds per cell by variant (steps only if there
    are few cells), and the reasons why variants cannot start, if any.
    """
    each: dict[str, float] = {}
    besides: dict[str, float] = {}
    problems: list[UserError] = []
    variants = {cell.variant: cell for cell in reversed(cells)}
    for cell in variants.values():
        try:
            each[cell.variant] = seconds_per_step(cell, prior_of, workers)
        except UserError as error:
            problems.append(error)
            continue
        if settings.estimate_only or len(cells) >= MANY * len(variants):
            besides[cell.variant] = seconds_besides(cell, settings, prior_of, each[cell.variant])
    expected = {v: seconds * variants[v].settings["steps"] + besides.get(v, 0.0) for v, seconds in each.items()}
    if each:
        say(console, said(cells, each, expected, bool(besides), workers))
    return expected, problems


def said(
    cells: Sequence[Cell], each: Mapping[str, float], expected: Mapping[str, float], whole: bool, workers: int
) -> str:
    """The estimate in one line."""
    minutes = sum(expected.get(cell.variant, 0.0) for cell in cells) / workers / 60
    total = f"{minutes / 60:.1f} h" if minutes > 120 else f"{minutes:.1f} min"
    total += " in all" if whole else " for the steps, plus meshes and images"
    rates = ", ".join(f"{variant} {seconds:.2g} s" for variant, seconds in sorted(each.items()))
    peak = peak_memory()
    if torch.cuda.is_available():
        peak = max(peak or 0.0, torch.cuda.max_memory_allocated() / 2**20)
    memory = f"; memory at least {peak / 1024:.1f} GiB{' each' if workers > 1 else ''}" if peak else ""
    shared = f" shared by {workers} workers" if workers > 1 else ""
    return f"estimate: {len(cells)} runs{shared}, {total} (a step: {rates}){memory}"
