"""Cells in several processes: our own on one machine, or Hydra's launchers (joblib, Slurm by submitit, Ray).

Each is a worker: it takes its share of a plan on disk, and loads the prior once for all of it.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from dream3d.compare.grid import Cell
from dream3d.compare.settings import Settings
from dream3d.compare.worker import as_json, share, work_on_share
from dream3d.errors import UserError
from dream3d.report.manifest import cores

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


def write_plan(
    cells: Sequence[Cell], settings: Settings, expected: Mapping[str, float], workers: int
) -> tuple[Path, int]:
    """Write what there is to do into the report's folder. Returns its path and how many workers have some."""
    folder = Path(settings.out).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    plan = folder / "plan.json"
    plan.write_text(as_json(cells, settings, expected), encoding="utf-8")
    return plan, sum(bool(share(cells, i, workers)) for i in range(workers))


def launch(cells: Sequence[Cell], settings: Settings, words: Sequence[str], expected: Mapping[str, float]) -> None:
    """Run the cells in ``workers_of(settings, words)`` jobs of Hydra's launcher and wait for them."""
    check_launcher(words)
    plan, workers = write_plan(cells, settings, expected, workers_of(settings, words))
    numbers = ",".join(map(str, range(workers)))
    own = {"plan": json.dumps(str(plan)), "workers": workers, "worker": numbers, **QUIET}
    own["hydra.sweep.dir"] = json.dumps(str(plan.parent / "jobs"))
    before = sys.argv
    sys.argv = [before[0], "-m", *words, *(f"{key}={value}" for key, value in own.items())]
    try:
        hydra.main(config_path=None, config_name="compare_job", version_base="1.3")(job)()
    finally:
        sys.argv = before


def job(told: DictConfig) -> None:
    """One worker's share of the plan."""
    work_on_share(Path(told.plan), told.worker, told.workers)


def processes(cells: Sequence[Cell], settings: Settings, expected: Mapping[str, float]) -> list[int]:
    """Run the cells in ``settings.workers`` processes on this machine. Returns those (1, 2, ...) that died.

    Each gets an equal part of the cores, unless OMP_NUM_THREADS says otherwise.

    Raises:
        KeyboardInterrupt: after all have saved what they were at.
    """
    plan, workers = write_plan(cells, settings, expected, settings.workers or 1)
    place = {"OMP_NUM_THREADS": str(max(1, cores() // workers)), **os.environ}
    begin = [sys.executable, "-m", "dream3d.compare.worker", str(plan)]
    started = [subprocess.Popen([*begin, str(i), str(workers)], env=place) for i in range(workers)]
    try:
        codes = [process.wait() for process in started]
    except BaseException:
        for process in started:  # Ctrl-C in a terminal has reached them already; a signal to us alone has not
            process.send_signal(signal.SIGINT)
            process.wait()
        raise
    return [i + 1 for i, code in enumerate(codes) if code != 0]


def workers_of(settings: Settings, words: Sequence[str]) -> int:
    """How many share the cells: as said; else two jobs of a launcher, or this process alone."""
    return settings.workers or (2 if words else 1)
