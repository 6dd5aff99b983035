"""Progress of a comparison: one line per cell, with the estimated time left."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from rich.console import Console

from dream3d.compare.grid import Cell
from dream3d.report.console import say


class Progress:
    """Counts cells and estimates the time left from the expected seconds of each variant.

    Args:
        cells: all of them.
        expected: variant -> seconds of one cell, in any unit that is the same for all (empty: all alike).
        name: in front of each line.
    """

    def __init__(self, console: Console, cells: Sequence[Cell], expected: Mapping[str, float], name: str = "") -> None:
        self.console, self.total, self.expected, self.name = console, len(cells), expected, name
        self.count, self.left = 0, sum(map(self._share, cells))
        self._spent = self._foretold = 0.0

    def _share(self, cell: Cell) -> float:
        known = list(self.expected.values()) or [1.0]
        return self.expected.get(cell.variant, sum(known) / len(known))

    def skip(self, cell: Cell, failed: str | None, otherwise: str = "already done") -> None:
        """A cell that was finished, or failed, before, or is left to another worker."""
        self.count, self.left = self.count + 1, max(0.0, self.left - self._share(cell))
        how = f"failed before ({failed}); use retry=true to try again" if failed else otherwise
        say(self.console, f"{self.name}[{self.count}/{self.total}] {cell.label}: {how}")

    def finish(self, cell: Cell, seconds: float, failed: str | None) -> None:
        """A cell that took so many seconds."""
        self.count, share = self.count + 1, self._share(cell)
        self._spent, self._foretold = self._spent + seconds, self._foretold + share
        self.left = max(0.0, self.left - share)
        how = f"failed: {failed}" if failed else f"done in {seconds:.0f} s"
        say(self.console, f"{self.name}[{self.count}/{self.total}] {cell.label}: {how}; ETA {self.eta()}")

    def eta(self) -> timedelta:
        """Time for the cells that are left, at the rate of those done."""
        rate = self._spent / self._foretold if self._foretold else 1.0
        return timedelta(seconds=round(self.left * rate))
