"""A comparison in several processes: our own on one machine, or Hydra's launchers (joblib, Slurm by submitit, Ray).

Each process runs the same command on its own shard, then takes over runs that others have not begun
(``claims.py``), and loads the prior once.
"""

import importlib.util
import json
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig
from rich.console import Console

from dream3d.compare.settings import LAUNCHER, Settings
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
    """Input of a job: the file with the command, and its shard."""

    command: str = ""
    shard: str = "0/1"


ConfigStore.instance().store(name="compare_job", node=Job)


def check_launcher(words: Sequence[str]) -> None:
    """Raise UserError if ``hydra/launcher=`` names a plugin that is not installed."""
    chosen = [w.partition("=")[2] for w in words if w.startswith("hydra/launcher=")]
    for name in chosen:
        plugin = PLUGINS.get(name)
        if plugin is not None and not installed(plugin):
            raise UserError(
                f"hydra/launcher: got '{name}', whose plugin is not installed; "
                f"run pip install {plugin.replace('_', '-')}, or leave it out"
            )


def installed(plugin: str) -> bool:
    """Whether Hydra can find the plugin."""
    try:
        return importlib.util.find_spec(f"hydra_plugins.{plugin}") is not None
    except ModuleNotFoundError:  # there are no plugins at all
        return False


def own_words(words: Sequence[str], settings: Settings) -> list[str]:
    """The command of one of several workers, without its shard."""
    kept = [word for word in words if not word.startswith(LAUNCHER)]
    out = Path(settings.out).expanduser().resolve()
    return [*kept, f"out={json.dumps(str(out))}", "workers=1", "steal=true", "retry=false"]


def launch(words: Sequence[str], settings: Settings, launcher: Sequence[str]) -> None:
    """Run the command in ``workers_of(settings, launcher)`` jobs of Hydra's launcher and wait for them."""
    check_launcher(launcher)
    folder = Path(settings.out).expanduser().resolve()
    file, workers = folder / "command.json", workers_of(settings, launcher)
    file.write_text(json.dumps(own_words(words, settings)), encoding="utf-8")
    shards = ",".join(f"{i}/{workers}" for i in range(workers))
    own = {"command": json.dumps(str(file)), "shard": shards, **QUIET}
    own["hydra.sweep.dir"] = json.dumps(str(folder / "jobs"))
    before = sys.argv
    sys.argv = [before[0], "-m", *launcher, *(f"{key}={value}" for key, value in own.items())]
    try:
        hydra.main(config_path=None, config_name="compare_job", version_base="1.3")(job)()
    finally:
        sys.argv = before


def job(told: DictConfig) -> None:
    """Run one worker's shard of the command."""
    compared = pkgutil.resolve_name("dream3d.compare.__main__:compared")  # which knows this file
    words = json.loads(Path(told.command).read_text(encoding="utf-8"))
    compared([*words, f"shard={told.shard}"], Console())


def processes(words: Sequence[str], settings: Settings) -> list[int]:
    """Run the command in ``settings.workers`` processes on this machine. Returns the numbers (1, 2, ...) of those
    that died.

    Each gets an equal share of the cores, unless OMP_NUM_THREADS is set.

    Raises:
        KeyboardInterrupt: after all workers have saved their current run.
    """
    workers = settings.workers or 1
    place = {"OMP_NUM_THREADS": str(max(1, cores() // workers)), **os.environ}
    begin = [sys.executable, "-m", "dream3d.compare", *own_words(words, settings)]
    started = [subprocess.Popen([*begin, f"shard={i}/{workers}"], env=place) for i in range(workers)]
    try:
        codes = [process.wait() for process in started]
    except BaseException:
        for process in started:  # Ctrl-C in a terminal has reached them already; a signal to us alone has not
            process.send_signal(signal.SIGINT)
            process.wait()
        raise
    return [i + 1 for i, code in enumerate(codes) if code != 0]


def workers_of(settings: Settings, launcher: Sequence[str]) -> int:
    """The number of workers: as set, by default two jobs of a launcher, or this process alone."""
    return settings.workers or (2 if launcher else 1)
