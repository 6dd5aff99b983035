"""One of several workers that share a comparison: python -m dream3d.compare.worker PLAN WORKER WORKERS."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from dream3d.compare.grid import Cell
from dream3d.compare.settings import Settings


def work_on_share(plan: Path, worker: int, workers: int) -> None:
    """Run and measure one worker's share of the plan. The prior is loaded once for all of it."""
    from dream3d.compare.progress import Progress
    from dream3d.compare.work import work
    from dream3d.run.shared_prior import Priors

    cells, settings, expected = read_plan(plan)
    mine = share(cells, worker, workers)
    name = f"worker {worker + 1}: " if workers > 1 else ""
    work(mine, settings, Priors(), Progress(Console(), mine, expected, name))


def share(cells: Sequence[Cell], worker: int, workers: int) -> list[Cell]:
    """The worker's cells. Variants go round from one prompt and seed to the next, so that no worker gets all
    the runs of a slow one."""
    groups = {place: i for i, place in enumerate(dict.fromkeys((c.prompt, c.seed) for c in cells))}
    variants = {name: i for i, name in enumerate(dict.fromkeys(c.variant for c in cells))}
    turn = [groups[c.prompt, c.seed] + variants[c.variant] for c in cells]
    return [cell for cell, i in zip(cells, turn, strict=True) if i % workers == worker]


def as_json(cells: Sequence[Cell], settings: Settings, expected: Mapping[str, float]) -> str:
    """The plan as text; ``read_plan`` gives it back."""
    root = Path.cwd()
    listed = []
    for cell in cells:
        places = {"folder": str(root / cell.folder), "measures": str(root / cell.measures)}
        listed.append({**dataclasses.asdict(cell), **places})
    content = {"settings": dataclasses.asdict(settings), "expected": dict(expected), "cells": listed}
    return json.dumps(content, default=str)


def read_plan(file: Path) -> tuple[list[Cell], Settings, dict[str, float]]:
    """The cells, settings and expected seconds by variant of a plan."""
    content = json.loads(file.read_text(encoding="utf-8"))
    cells = [
        Cell(c["variant"], c["prompt"], c["seed"], Path(c["folder"]), Path(c["measures"]), c["settings"])
        for c in content["cells"]
    ]
    return cells, Settings(**content["settings"]), content["expected"]


def main() -> None:
    """Entry point of a worker process."""
    plan, worker, workers = sys.argv[1:]
    try:
        work_on_share(Path(plan), int(worker), int(workers))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
