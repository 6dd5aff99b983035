"""A run's folder: made for a new run, found again for a resumed one."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from yaml import YAMLError

from dream3d.errors import UserError, first
from dream3d.report.console import say
from dream3d.run.config import Config, check
from dream3d.run.progress import OnStep
from dream3d.run.watchdog import Watchdog
from dream3d.types import Mesh


@dataclass
class Run:
    """A run under way: where it writes, what it was told, what it noticed, how long its stages took,
    which files and folders it made to begin with, the step of its checkpoint, who is told of every step,
    and in the end its fields and textured meshes, one a particle."""

    folder: Path
    settings: DictConfig
    console: Console = field(default_factory=Console)
    watchdog: Watchdog = field(default_factory=Watchdog)
    seconds: dict[str, float] = field(default_factory=dict)
    made: list[Path] = field(default_factory=list)
    step: int = 0
    on_step: OnStep | None = None
    fields: list[Any] = field(default_factory=list)
    meshes: list[Mesh] = field(default_factory=list)

    def say(self, message: str) -> None:
        """One line to the console, and with the time into log.txt."""
        say(self.console, message)
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {message}\n")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the stage's."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


def slug(prompt: str) -> str:
    """A folder name: letters, digits and dashes, at most 40.

    >>> slug("A red car!")
    'a-red-car'
    """
    return re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40] or "run"


def start(settings: DictConfig) -> Run:
    """Make the run folder. Raises UserError when it cannot be written."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(settings.prompt)}"
    folder = Path(settings.out).expanduser() if settings.out else Path("outputs") / name
    try:
        while not settings.out and folder.exists():  # another run began in the same second
            folder = folder.with_name(f"{folder.name}+")
        made = [p for p in (folder / "config.yaml", folder, *folder.parents) if not p.exists()]
        folder.mkdir(parents=True, exist_ok=bool(settings.out))
        (folder / "config.yaml").touch()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"out: got '{folder}', which cannot be written ({reason}); choose another folder") from error
    if settings.mesh_file is not None:  # found again when the run is resumed from elsewhere
        settings.mesh_file = str(Path(settings.mesh_file).expanduser().resolve())
    return Run(folder, settings, made=made)


@contextmanager
def undone(run: Run) -> Iterator[None]:
    """Where this fails, nothing is left of a run that never began."""
    try:
        yield
    except BaseException:
        for path in run.made:
            with suppress(OSError):  # a folder that is not empty stays
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def write_settings(run: Run) -> None:
    """config.yaml, the resolved configuration that ``resume=`` reads."""
    OmegaConf.save(run.settings, run.folder / "config.yaml", resolve=True)


def resume(settings: DictConfig, overrides: Sequence[str]) -> Run:
    """The run in ``resume=``; only ``steps`` may be changed with it.

    Raises:
        UserError: no such run, or other words on the command line.
    """
    folder = Path(settings.resume).expanduser()
    others = [word for word in overrides if word.split("=")[0] not in ("resume", "steps")]
    if others:
        raise UserError(
            f"resume: got also {' '.join(others)}; a resumed run keeps its settings, only steps= may change"
        )
    saved = saved_settings(folder, "resume")
    if any(word.startswith("steps=") for word in overrides):
        saved.steps = settings.steps
        if saved.mesh_file is not None:
            raise UserError("steps: this run started from a mesh and has no coarse stage; leave steps= out")
    check(saved)
    return Run(folder, saved)


def saved_settings(folder: Path, key: str) -> DictConfig:
    """config.yaml of a run. Raises UserError, about ``key``, when there is none or it cannot be read."""
    file = folder / "config.yaml"
    if not file.is_file():
        raise UserError(f"{key}: got '{folder}', expected a run's folder with config.yaml and checkpoint.pt")
    try:
        saved = OmegaConf.load(file)
        if isinstance(saved, DictConfig) and "prompt" in saved:
            return cast(DictConfig, OmegaConf.merge(OmegaConf.structured(Config), saved))
    except (OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        raise UserError(f"{key}: {file} cannot be read ({first(error)}); start the run again") from error
    raise UserError(f"{key}: {file} is not a run's configuration; start the run again")
