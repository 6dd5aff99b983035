"""``metrics.jsonl``: one line a step, appended; a resumed run continues from its checkpoint."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from types import TracebackType

from torch import Tensor

from dream3d.report.loggers import Logger

Value = float | int | Tensor


def truncate(path: Path, step: int) -> None:
    """Drop the lines of ``step`` and later, and a last line truncated by a kill."""
    if not path.exists():
        return
    keep = 0
    with path.open("rb") as file:
        for line in file:
            try:
                if not line.endswith(b"\n") or json.loads(line)["step"] >= step:
                    break
            except (ValueError, KeyError, TypeError):
                break
            keep += len(line)
    with path.open("r+b") as file:
        file.truncate(keep)


def medians(path: Path, ending: str) -> dict[str, float]:
    """The median over all steps of every value whose name has this ending, by its name without it."""
    found: dict[str, list[float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        for name, value in json.loads(line).items():
            if name.endswith(ending) and value is not None:
                found.setdefault(name.removesuffix(ending), []).append(value)
    return {name: median(values) for name, values in found.items()}


class MetricsLog:
    """Append-only; to be used in a ``with`` block.

    Opening drops what an earlier run wrote for ``begin`` and later. Tensors are read (on a GPU: waited
    for) only when ``every`` lines are due; call ``flush`` before a checkpoint is saved. A value that is
    not finite is written as null, since JSON has no other word for it. ``others`` get the same rows, and are
    closed with it.
    """

    def __init__(self, path: Path, begin: int = 0, every: int = 1, others: Sequence[Logger] = ()) -> None:
        truncate(path, begin)
        self.every, self.others = every, others
        self._file = path.open("a", encoding="utf-8")
        self._due: list[tuple[int, dict[str, Value]]] = []

    def write(self, step: int, values: Mapping[str, Value]) -> None:
        """Append the scalars of one step."""
        self._due.append((step, dict(values)))
        if len(self._due) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Write everything buffered to the file."""
        for step, values in self._due:
            row = {name: _plain(value) for name, value in values.items()}
            self._file.write(json.dumps({"step": step, **row}, allow_nan=False) + "\n")
            for other in self.others:
                other.write(step, row)
        self._due.clear()
        self._file.flush()

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:  # where the disk is full both say so; once is enough
            with suppress(OSError):
                self._file.close()
            for other in self.others:
                other.close()


def _plain(value: Value) -> float | int | None:
    number = value.item() if isinstance(value, Tensor) else value
    return number if math.isfinite(number) else None
