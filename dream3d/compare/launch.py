"""Cells through Hydra's launchers: joblib on one machine; Slurm (submitit) and Ray past it.

Each job is a worker: it takes every n-th cell of a plan on disk, and loads the prior once for all of them.
"""

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig
from rich.console import Console

from dream3d.compare.grid import Cell
from dream3d.compare.settings import Settings
from dream3d.errors import UserError

PLUGINS = {
    "joblib": "hydra_joblib_launcher",
    "ray": "hydra_ray_launcher",
    "ray_aws": "hydra_ray_launcher",
    "submitit_local": "hydra_submitit_launcher",
    "submitit_slurm": "hydra_submitit_launcher",
}
QUIET = {"hydra.output_subdir": "null", "hydra/job_logging": "none", "hydra/hydra_logging": "none"}


@dataclass
class Job:
    """What a job is told: the plan's file and which of how many workers it is."""

    plan: str = ""
    worker: int = 0
    workers: int = 1


ConfigStore.instance().store(name="compare_job", node=Job)


def check_launcher(words: Sequence[str]) -> None:
    """Raise UserError where ``hydra/launcher=`` names a plugin that is not installed."""
    chosen = [w.partition("=")[2] for w in words if w.startswith("hydra/launcher=")]
    for name in chosen:
        plugin = PLUGINS.get(name)
        if plugin is not None and not installed(plugin):
            raise UserError(
                f"hydra/launcher: got '{name}', whose plugin is not installed; "
                f"say pip install {plugin.replace('_', '-')}, or leave it out"
            )


def installed(plugin: str) -> bool:
    """Can Hydra find the plugin?"""
    try:
        return importlib.util.find_spec(f"hydra_plugins.{plugin}") is not None
    except ModuleNotFoundError:  # there are no plugins at all
        return False


def launch(cells: Sequence[Cell], settings: Settings, words: Sequence[str]) -> None:
    """Run the cells in ``settings.workers`` jobs of the launcher and wait for them."""
    check_launcher(words)
    folder = Path(settings.out).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    plan = folder / "plan.json"
    plan.write_text(as_json(cells, settings), encoding="utf-8")
    workers = min(settings.workers, len(cells))
    numbers = ",".join(map(str, range(workers)))
    own = {"plan": json.dumps(str(plan)), "workers": workers, "worker": numbers, **QUIET}
    own["hydra.sweep.dir"] = json.dumps(str(folder / "jobs"))
    before = sys.argv
    sys.argv = [before[0], "-m", *words, *(f"{key}={value}" for key, value in own.items())]
    try:
        hydra.main(config_path=None, config_name="compare_job", version_base="1.3")(job)()
    finally:
        sys.argv = before


def job(told: DictConfig) -> None:
    """One worker's share of the plan."""
    from dream3d.compare.priors import Priors
    from dream3d.compare.progress import Progress
    from dream3d.compare.work import work

    cells, settings = read_plan(Path(told.plan))
    mine = cells[told.worker :: told.workers]
    work(mine, settings, Priors(), Progress(Console(), mine, {}))


def as_json(cells: Sequence[Cell], settings: Settings) -> str:
    """The plan as text; ``read_plan`` gives it back."""
    root = Path.cwd()
    listed = []
    for cell in cells:
        places = {"folder": str(root / cell.folder), "measures": str(root / cell.measures)}
        listed.append({**dataclasses.asdict(cell), **places})
    return json.dumps({"settings": dataclasses.asdict(settings), "cells": listed}, default=str)


def read_plan(file: Path) -> tuple[list[Cell], Settings]:
    """The cells and settings of a plan."""
    content = json.loads(file.read_text(encoding="utf-8"))
    cells = [
        Cell(c["variant"], c["prompt"], c["seed"], Path(c["folder"]), Path(c["measures"]), c["settings"])
        for c in content["cells"]
    ]
    return cells, Settings(**content["settings"])
