"""Messages of a run: what it will make, where it was interrupted, and how to resume it."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dream3d.errors import Stopped, UserError
from dream3d.optimize import Setup
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


def intent(run: Run, setup: Setup) -> str:
    """The first line: prompt, steps, loss, prior, device and folder. The progress bar estimates the time from the
    first steps on."""
    settings = run.settings
    steps = {"coarse": settings.steps if settings.mesh_file is None else 0}
    steps |= {name: settings[name].steps for name in STAGES}
    stages = " and ".join(f"{count} {name}" for name, count in steps.items() if count)
    loss = str(settings.distill.loss.get("_target_")).rpartition(".")[2]
    kind = type(setup.prior).__name__
    return f'making "{settings.prompt}": {stages} steps, {loss} from {kind} on {setup.device}, into {run.folder}'


def tell(run: Run, setup: Setup) -> None:
    """Print what will be made, then notes and warnings; the guidance scale in other conventions only on request."""
    run.say(intent(run, setup))
    for note in setup.notes:
        if run.settings.verbose or not note.startswith("guidance:"):
            run.say(note)
    run.watchdog.extend(setup.warnings)
    for warning in run.watchdog.warnings:
        run.say(f"warning: {warning}")
