"""Messages of a run: what it will make, where it was interrupted, and how to resume it."""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from omegaconf import DictConfig

from dream3d.errors import Stopped, UserError
from dream3d.optimize import Setup
from dream3d.run.config import given_file
from dream3d.run.directory import Run
from dream3d.run.refine import STAGES


@contextmanager
def stopping(run: Run) -> Iterator[None]:
    """Report where a run was interrupted and how to resume it; one line if a file cannot be written."""
    again = f"python -m dream3d {shlex.quote(f'resume={run.folder}')}"
    begun = run.folder / "checkpoint.pt"
    try:
        yield
    except KeyboardInterrupt as stopped:
        go_on = f"resume with: {again}" if begun.is_file() else "there is nothing to resume"
        with suppress(OSError):  # its log may be the file that cannot be written
            run.say(f"stopped {run.place}; {go_on}")
        if isinstance(stopped, Stopped) and run.settings.requeue_code is not None:
            stopped.code = run.settings.requeue_code
        raise
    except OSError as error:
        if run.place == "in load":  # nothing has been made yet; reported as it is
            raise
        fix = f"free disk space, then run: {again}" if begun.is_file() else "choose another folder"
        raise UserError(
            f"{error.filename or run.folder} cannot be written ({error.strerror or error}), {run.place}; {fix}"
        ) from error


def stages_of(settings: DictConfig) -> dict[str, int]:
    """Stage -> number of steps, of the stages that have any."""
    steps = {"coarse": settings.steps if given_file(settings) is None else 0}
    return {name: count for name, count in (steps | {n: settings[n].steps for n in STAGES}).items() if count}


def intent(run: Run, setup: Setup) -> str:
    """The first line: prompt, steps, loss, prior, device and folder. ``Pace`` estimates the time once a few steps have
    been made."""
    settings = run.settings
    stages = " and ".join(f"{count} {name}" for name, count in stages_of(settings).items())
    loss = str(settings.distill.loss.get("_target_")).rpartition(".")[2]
    kind = type(setup.prior).__name__
    return f'making "{settings.prompt}": {stages} steps, {loss} from {kind} on {setup.device}, into {run.folder}'


TIMED = 8
"""Steps timed before a stage's duration is estimated; the step before them is warm-up."""


@dataclass
class Pace:
    """Estimated duration of a stage's steps [begin, total), from its first steps on this machine."""

    stage: str
    begin: int
    total: int
    start: float = 0.0

    def line(self, done: int, settings: DictConfig) -> str | None:
        """The message after step ``done``: once, and none for a stage that ends soon after it is timed."""
        if done == self.begin + 1:
            self.start = time.monotonic()
        if done != self.begin + 1 + TIMED or self.total - self.begin < 4 * TIMED:
            return None
        each = (time.monotonic() - self.start) / TIMED
        names = list(stages_of(settings))
        later = [f"{settings[name].steps} {name} steps" for name in names[names.index(self.stage) + 1 :]]
        then = ", ".join([*later, "mesh and pictures"])
        return f"{self.stage}: about {spoken(each * (self.total - self.begin))} ({each:.2g} s a step); then {then}"


def spoken(seconds: float) -> str:
    """A length of time for people.

    >>> spoken(42.4), spoken(100.0), spoken(4000.0)
    ('42 s', '1 min 40 s', '1 h 6 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def tell(run: Run, setup: Setup) -> None:
    """Print what will be made, then notes and warnings; the guidance scale in other conventions only on request."""
    run.say(intent(run, setup))
    for note in setup.notes:
        if run.settings.verbose or not note.startswith("guidance:"):
            run.say(note)
    run.watchdog.extend(setup.warnings)
    for warning in run.watchdog.warnings:
        run.say(f"warning: {warning}")
