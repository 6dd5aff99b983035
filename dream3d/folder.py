"""A run's folder: made for a new run, found again for a resumed one."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from dream3d.errors import UserError
from dream3d.watchdog import Watchdog


@dataclass
class Run:
    """A run under way: where it writes, what it was told, what it noticed, how long its stages took."""

    folder: Path
    settings: DictConfig
    console: Console = field(default_factory=Console)
    watchdog: Watchdog = field(default_factory=Watchdog)
    seconds: dict[str, float] = field(default_factory=dict)

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
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").touch()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"out: got '{folder}', which cannot be written ({reason}); choose another folder") from error
    return Run(folder, settings)


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
        raise UserError(f"resume: got also {' '.join(others)}; a resumed run keeps its settings, only steps= may change")
    return Run(folder, saved_settings(folder, settings.steps if len(overrides) > 1 else None))


def saved_settings(folder: Path, steps: int | None = None) -> DictConfig:
    """config.yaml of a run. Raises UserError when there is none or it cannot be read."""
    file = folder / "config.yaml"
    if not file.is_file():
        raise UserError(f"run: got '{folder}', expected a run's folder with config.yaml and checkpoint.pt")
    try:
        saved = OmegaConf.load(file)
    except (OmegaConfBaseException, OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read; start the run again") from error
    if not isinstance(saved, DictConfig) or "prompt" not in saved:
        raise UserError(f"{file} is not a run's configuration; start the run again")
    if steps is not None:
        saved.steps = steps
    return saved
