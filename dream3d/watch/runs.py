"""Reads run folders: which runs there are, their progress, curves and log lines. No torch."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dream3d.run.config import Tree
from dream3d.run.lock import may_be_held

QUIET = 120
"""A run that left its lock behind (it was killed) and has written nothing for this many seconds counts as stopped."""
POINTS = 600
"""Maximum number of points of a curve; longer ones keep every second, fourth, eighth step."""
STAGES = ("coarse", "refine", "texture")
SHOWN = ("preview.png", "turntable.gif", "preview.glb", "mesh.glb", "viewer.html")


@dataclass
class Curves:
    """The rows of one metrics file, read incrementally."""

    file: Path
    offset: int = 0
    stride: int = 1
    rows: list[Tree] = field(default_factory=list)
    last: Tree = field(default_factory=dict)

    def read(self) -> None:
        """Read new rows; start over if the file has become shorter (a resumed run)."""
        if self.file.stat().st_size < self.offset:
            self.offset, self.stride, self.rows, self.last = 0, 1, [], {}
        with self.file.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.offset += len(line)
                self.take(json.loads(line))

    def take(self, row: Tree) -> None:
        """Keep every ``stride``-th step, doubling the stride when there are too many."""
        self.last = row
        if row["step"] % self.stride == 0:
            self.rows.append(row)
        if len(self.rows) > POINTS:
            self.stride *= 2
            self.rows = [row for row in self.rows if row["step"] % self.stride == 0]

    def columns(self) -> dict[str, list[float | int | None]]:
        """Name -> values, of all rows."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {name: [row.get(name) for row in self.rows] for name in names}


@dataclass
class Watched:
    """One run's folder."""

    folder: Path
    settings: Tree
    curves: dict[str, Curves] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The page's identifier of the run: paths are never built from it."""
        return hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:12]

    def files(self) -> dict[str, float]:
        """Those of ``SHOWN`` that exist, with their modification times."""
        paths = {name: self.folder / name for name in SHOWN}
        return {name: path.stat().st_mtime for name, path in paths.items() if path.is_file() and self.owns(path)}

    def owns(self, path: Path) -> bool:
        """Whether the path, with links resolved, lies in the run folder."""
        return path.resolve().is_relative_to(self.folder.resolve())

    def refresh(self) -> None:
        """Read what the run has written since the last call."""
        for stage in STAGES:
            file = self.folder / ("metrics.jsonl" if stage == "coarse" else f"metrics-{stage}.jsonl")
            if file.is_file():
                self.curves.setdefault(stage, Curves(file)).read()

    def sign(self) -> float:
        """Time of the run's last write."""
        names = ("config.yaml", "checkpoint.pt", "log.txt", "run.json", *(c.file.name for c in self.curves.values()))
        return max((self.folder / n).stat().st_mtime for n in names if (self.folder / n).exists())

    def state(self) -> str:
        """finished, running or stopped."""
        last, done = self.sign(), self.folder / "run.json"
        if done.is_file() and done.stat().st_mtime >= last:
            return "finished"
        return "running" if may_be_held(self.folder) and time.time() - last < QUIET else "stopped"

    def total(self, stage: str) -> int:
        """Total number of steps of the stage."""
        return int(self.settings["steps"] if stage == "coarse" else self.settings[stage]["steps"])

    def summary(self) -> Tree:
        """A row of the list of runs."""
        self.refresh()
        stage = next((s for s in reversed(STAGES) if s in self.curves), "coarse")
        last = self.curves[stage].last if stage in self.curves else {}
        return {
            "key": self.key,
            "name": self.folder.name,
            "prompt": self.settings["prompt"],
            "seed": self.settings["seed"],
            "state": self.state(),
            "stage": stage,
            "done": int(last.get("step", -1)) + 1,
            "total": self.total(stage),
            "time": self.sign(),
        }

    def details(self) -> Tree:
        """Everything the page shows about one run."""
        log = self.folder / "log.txt"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-200:] if log.is_file() else []
        summary = self.summary()
        return {
            **summary,
            "files": self.files(),
            "log": lines,
            "curves": {stage: curves.columns() for stage, curves in self.curves.items()},
        }


def folders(roots: Sequence[Path]) -> Iterator[Path]:
    """The runs among the roots and, two levels deep, below them."""
    for root in roots:
        for pattern in ("config.yaml", "*/config.yaml", "*/*/config.yaml"):
            yield from (file.parent for file in sorted(root.glob(pattern)))


@dataclass
class Runs:
    """All runs below some folders; new ones are picked up as they start."""

    roots: Sequence[Path]
    known: dict[Path, Watched] = field(default_factory=dict)

    def all(self) -> list[Watched]:
        """The runs, latest first."""
        for folder in folders(self.roots):
            if folder not in self.known and (settings := settings_of(folder / "config.yaml")):
                self.known[folder] = Watched(folder, settings)
        here = [run for run in self.known.values() if (run.folder / "config.yaml").is_file()]
        return sorted(here, key=lambda run: (-run.sign(), run.folder.name))

    def find(self, key: str) -> Watched | None:
        """The run with the identifier ``key``."""
        return next((run for run in self.all() if run.key == key), None)


def settings_of(file: Path) -> Tree | None:
    """A run's configuration; None if it is not (yet) valid."""
    try:
        settings = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
    except (OmegaConfBaseException, YAMLError, OSError, ValueError):
        return None
    return settings if isinstance(settings, dict) and {"prompt", "seed", "steps"} <= settings.keys() else None  # pyright: ignore
