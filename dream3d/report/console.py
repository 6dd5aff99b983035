"""Console output of a run: a progress bar on a terminal, every tenth step in a log file, a summary at the end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text
from torch import Tensor

REFRESH = 0.25


def say(console: Console, message: str) -> None:
    """Print one line verbatim: no markup, no wrapping (paths stay whole)."""
    console.print(message, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def activity(console: Console, label: str) -> Iterator[None]:
    """Work without measurable progress: a spinner with the elapsed time, or a line in a log file."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    if not console.is_terminal:
        say(console, f"{label} ...")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(Text(label).markup, total=None)
        yield


class Bar:
    """Progress over the steps [begin, total); to be used in a ``with`` block.

    A loss given as a tensor is read only when it is shown (four times a second, or once a tenth), so
    that a GPU is not made to wait at each step.
    """

    def __init__(self, console: Console, label: str, total: int, begin: int = 0) -> None:
        self.console, self.label, self.total, self.begin = console, label, total, begin
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(Text(label).markup, total=total, completed=begin, facts="")
        self._shown = 0.0

    def __enter__(self) -> "Bar":
        self._start = time.monotonic()
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, done: int, loss: Tensor | float) -> None:
        """``done`` steps of ``total`` are complete."""
        if self.console.is_terminal:
            now = time.monotonic()
            if now - self._shown >= REFRESH or done >= self.total:
                self._shown = now
                self._progress.update(self._task, completed=done, facts=self._facts(done, loss))
        elif done >= self.total or done * 10 // self.total > (done - 1) * 10 // self.total:
            say(
                self.console,
                f"{self.label} {done}/{self.total}  {self._facts(done, loss)}  ETA {self._eta(done)}",
            )

    def _rate(self, done: int) -> float:
        return max(done - self.begin, 1) / max(time.monotonic() - self._start, 1e-9)

    def _facts(self, done: int, loss: Tensor | float) -> str:
        return f"loss {float(loss):.4g}  {self._rate(done):.3g} steps/s"

    def _eta(self, done: int) -> timedelta:
        return timedelta(seconds=round((self.total - done) / self._rate(done)))


def size(file: Path) -> str:
    """A human-readable file size.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a"
    >>> _ = file.write_bytes(bytes(1_500_000))
    >>> size(file)
    '1.5 MB'
    """
    count = file.stat().st_size
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def summary(
    console: Console,
    title: str,
    folder: Path,
    *,
    files: Mapping[str, str],
    stages: Mapping[str, float],
    warnings: Sequence[str] = (),
    gradient_norms: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """What was made (``files``: name in the folder -> what it is), where, the seconds of each stage, and the median
    ``gradient_norms`` of the guidance terms, where there are several."""
    made = Table(title=Text(f'"{title}"'), title_justify="left", box=None, show_header=False, padding=(0, 2))
    for name, what in files.items():
        made.add_row(Text(name, style="bold"), Text(what), Text(size(folder / name)))
    console.print(made)
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in stages.items())
    say(console, f"time: {spent}; {sum(stages.values()):.1f} s in all")
    if gradient_norms:
        norms = ", ".join(f"{name} {norm:.3g}" for name, norm in gradient_norms.items())
        say(console, f"gradient norms (median): {norms}")
    for warning in warnings:
        say(console, f"warning: {warning}")
    say(console, f"in {folder}")
