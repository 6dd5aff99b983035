"""One worker: processes its cells in turn, keeps finished ones, resumes interrupted ones, records failures."""

import json
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from omegaconf import OmegaConf
from rich.console import Console

from dream3d.compare.claims import claimed
from dream3d.compare.grid import PLACE, Cell, resolved
from dream3d.compare.measure import measure
from dream3d.compare.progress import Progress
from dream3d.compare.settings import Settings
from dream3d.compare.values import to_json
from dream3d.compare.views import mesh_file
from dream3d.errors import UserError
from dream3d.report.files import replacing
from dream3d.run import checkpoint, stages
from dream3d.run.build import PriorOf
from dream3d.run.saved import saved_settings


def work(cells: Sequence[Cell], settings: Settings, prior_of: PriorOf, progress: Progress) -> None:
    """Run and measure each cell that is neither finished nor claimed by another worker.

    Raises:
        KeyboardInterrupt: the current cell was saved; rerun the same command to resume.
    """
    for cell in by_prior(cells):
        if settled(cell, settings):
            progress.skip(cell, failure(cell))
            continue
        with claimed(cell.measures) as mine:
            if not mine:
                progress.skip(cell, None, "another worker has it")
                continue
            if settled(cell, settings):  # by another worker, in the meantime
                progress.skip(cell, failure(cell))
                continue
            begin = time.monotonic()
            reason = attempt(cell, settings, prior_of)
            progress.finish(cell, time.monotonic() - begin, reason)


def settled(cell: Cell, settings: Settings) -> bool:
    """Whether there is nothing to do: finished, or failed and not to be retried."""
    return done(cell) or (failure(cell) is not None and not settings.retry)


def by_prior(cells: Sequence[Cell]) -> list[Cell]:
    """The cells in order, grouped by prior, so that each prior is loaded once."""
    keys = [json.dumps(cell.settings.get("prior"), sort_keys=True, default=str) for cell in cells]
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    return [cell for _, cell in sorted(zip(keys, cells, strict=True), key=lambda pair: first[pair[0]])]


def attempt(cell: Cell, settings: Settings, prior_of: PriorOf) -> str | None:
    """Run and measure one cell. If that fails, records the reason in failed.json and returns it."""
    cell.measures.mkdir(parents=True, exist_ok=True)
    (cell.measures / "failed.json").unlink(missing_ok=True)
    try:
        if not ran(cell):
            carry_out(cell, prior_of)
        write_json(to_json(measure(cell, settings, prior_of)), cell.measures / "measures.json")
    except Exception as error:  # the failure of one run must not end the others
        known = isinstance(error, UserError)
        reason = " ".join((str(error) if known else f"{type(error).__name__}: {error}").split())
        with (cell.measures / "log.txt").open("a", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
        write_json(reason, cell.measures / "failed.json")
        return reason
    return None


def carry_out(cell: Cell, prior_of: PriorOf) -> None:
    """Start the run, or resume it from its checkpoint; its output goes to its log.txt."""
    begun = saved_step(cell)
    write_json(begun or 0, cell.measures / "resumed.json")
    place = {"out": str(cell.folder), "resume": None if begun is None else str(cell.folder), "overwrite": True}
    words = [] if begun is None else [f"resume={cell.folder}"]
    forget_peak_memory()
    with logged(cell.folder / "log.txt") as console:
        stages.run(OmegaConf.create({**cell.settings, **place}), words, prior_of, console)


@contextmanager
def logged(file: Path) -> Iterator[Console]:
    """A console that appends to a file."""
    with file.open("a", encoding="utf-8") as stream:
        yield Console(file=stream, width=110)


def ran(cell: Cell) -> bool:
    """Whether the run is finished, has a mesh, and has these settings."""
    return (cell.folder / "run.json").is_file() and mesh_file(cell.folder) is not None and fits(cell)


def done(cell: Cell) -> bool:
    """Whether the run is finished and measured."""
    return ran(cell) and (cell.measures / "measures.json").is_file()


def fits(cell: Cell) -> bool:
    """Whether the folder has a run with exactly the cell's settings."""
    try:
        saved = resolved(saved_settings(cell.folder, "out"))
    except UserError:
        return False
    return agrees(saved, {key: value for key, value in cell.settings.items() if key not in PLACE})


def agrees(saved: object, planned: object) -> bool:
    """Whether the settings are equal; a planned "auto" matches any value.

    >>> agrees({"light": None, "steps": 2}, {"light": "auto", "steps": 2}), agrees({"steps": 2}, {"steps": 3})
    (True, False)
    """
    if isinstance(saved, dict) and isinstance(planned, dict):
        return saved.keys() == planned.keys() and all(agrees(saved[key], planned[key]) for key in saved)
    return planned in ("auto", saved)


def saved_step(cell: Cell) -> int | None:
    """The step of the checkpoint of a run with these settings; None if there is none to resume."""
    if not fits(cell):
        return None
    try:
        return int(checkpoint.load(cell.folder / "checkpoint.pt")["step"])
    except UserError:
        return None


def failure(cell: Cell) -> str | None:
    """Why the cell failed; None if it did not."""
    file = cell.measures / "failed.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def forget_failures(cells: Sequence[Cell]) -> None:
    """Mark these cells to be retried."""
    for cell in cells:
        (cell.measures / "failed.json").unlink(missing_ok=True)


def write_json(content: object, path: Path) -> None:
    """Indented JSON, atomically."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def forget_peak_memory() -> None:
    """Reset the process's peak resident memory (Linux only; elsewhere it is that of all cells so far)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
