"""The run folder: created for a new run, reopened for a resumed one."""

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from dream3d.contracts import TrainableField
from dream3d.errors import UserError
from dream3d.report.console import say
from dream3d.run.config import Tree, check
from dream3d.run.construction_errors import restoring
from dream3d.run.lock import NAME, refuse_if_held
from dream3d.run.progress import OnStep
from dream3d.run.refine import STAGES
from dream3d.run.saved import saved_settings
from dream3d.run.watchdog import Watchdog
from dream3d.types import Mesh


@dataclass
class Run:
    """A run in progress: its folder, settings, warnings and stage timings, the files and folders it created at the
    start, the step of its coarse checkpoint, its current position, the callback for each step, the settings changed on
    resuming, and in the end its fields and textured meshes, one a particle."""

    folder: Path
    settings: DictConfig
    console: Console = field(default_factory=Console)
    watchdog: Watchdog = field(default_factory=Watchdog)
    seconds: dict[str, float] = field(default_factory=dict)
    made: list[Path] = field(default_factory=list)
    step: int = 0
    place: str = "while loading"
    on_step: OnStep | None = None
    changed: Sequence[str] = ()
    fields: list[TrainableField] = field(default_factory=list)
    meshes: list[Mesh] = field(default_factory=list)

    def say(self, message: str) -> None:
        """Print one line to the console, and append it with a timestamp to log.txt."""
        say(self.console, message)
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {message}\n")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the stage's total."""
        begin, self.place = time.perf_counter(), f"in {name}"
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


def slug(prompt: str) -> str:
    """A folder name: letters, digits and dashes, at most 40.

    >>> slug("A red car!")
    'a-red-car'
    """
    return re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40] or "run"


def start(settings: DictConfig) -> Run:
    """Create the run folder. Raises UserError if it cannot be written, or contains a run that must not be
    overwritten."""
    named = settings.prompt or Path(settings.image.file or "").stem
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(named)}"
    folder = Path(settings.out).expanduser() if settings.out else Path("outputs") / name
    if settings.out:
        check_free(folder, settings.overwrite)
    try:
        while not settings.out and folder.exists():  # another run began in the same second
            folder = folder.with_name(f"{folder.name}+")
        made = [p for p in (folder / NAME, folder / "config.yaml", folder, *folder.parents) if not p.exists()]
        folder.mkdir(parents=True, exist_ok=bool(settings.out))
        (folder / "config.yaml").touch()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"out: got '{folder}', which cannot be written ({reason}); choose another folder") from error
    if settings.mesh_file is not None:  # still valid when the run is resumed from another folder
        settings.mesh_file = str(Path(settings.mesh_file).expanduser().resolve())
    for key in ("file", "mask", "depth", "normals"):
        if settings.image.get(key) is not None:
            settings.image[key] = str(Path(settings.image[key]).expanduser().resolve())
    return Run(folder, settings, made=made)


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise UserError if the folder contains a run in progress, or one that may not be overwritten, or files that no
    run made."""
    with suppress(PermissionError, NotADirectoryError):  # reported by the next check
        refuse_if_held(folder)
        finished = (folder / "run.json").is_file()
        if not overwrite and (finished or (folder / "checkpoint.pt").is_file()):
            kind = "a finished run" if finished else "an interrupted run"
            raise UserError(
                f"out: '{folder}' contains {kind}; use resume={folder} to resume it, overwrite=true to discard "
                "it, or choose another folder"
            )
        foreign = [name for name in EXPORTS if (folder / name).exists() and not (folder / "config.yaml").exists()]
        if not overwrite and foreign:
            raise UserError(
                f"out: '{folder}' contains {foreign[0]}, which no run made; use overwrite=true to overwrite it, or "
                "choose another folder"
            )


EXPORTS = ("mesh.glb", "mesh.obj", "mesh.mtl", "mesh.png", "mesh.ply", "mesh.stl", "mesh.3mf", "mesh-lod*",
           "viewer.html", "turntable.mp4", "turntable.gif", "preview.png", "coarse.glb",
           "before_after.mp4", "before_after.gif", "region.png", "edit.json")  # fmt: skip
PRODUCTS = ("checkpoint.pt", "run.json", "metrics.jsonl", "metrics-*.jsonl", *EXPORTS)
LEFTOVERS = (".*.partial*", "*.partial", ".mesh-*")
"""Temporary files of a killed process (``report/files.py``, ``mesh/export.py``)."""


def clear(folder: Path, patterns: Sequence[str]) -> None:
    """Remove files matching the patterns from the run folder and from those of its other particles."""
    for place in (folder, *folder.glob("particle-*")):
        for path in [path for pattern in patterns for path in place.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def undone(run: Run) -> Iterator[None]:
    """If the block fails, remove what the run has created: it never began."""
    try:
        yield
    except BaseException:
        for path in run.made:
            with suppress(OSError):  # a folder that is not empty is kept
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def write_settings(run: Run) -> None:
    """Write config.yaml, the resolved configuration that ``resume=`` reads."""
    OmegaConf.save(run.settings, run.folder / "config.yaml", resolve=True)


AFTER = ("steps", "turntable", "checkpoint_every", "preview_every", "verbose", "requeue_code")
"""Settings, besides ``mesh.*`` and later stages, that a resumed run may change: they affect only what follows the
checkpoint."""


def resume(settings: DictConfig, overrides: Sequence[str]) -> Run:
    """The run in ``resume=``, with permitted changes (``AFTER``, ``mesh.*``, stages that have not begun, see
    ``check_begun``, and the path of the mesh).

    Raises:
        UserError: no such run, or other settings on the command line.
    """
    folder = Path(settings.resume).expanduser()
    changed = [word.split("=")[0] for word in overrides if word.split("=")[0] != "resume"]
    moved = bool({"mesh", "mesh_file"}.intersection(changed))
    changed = [key for key in changed if key not in ("mesh", "mesh_file")]
    nowhere = object()
    others = [k for k in changed if not changeable(k) or OmegaConf.select(settings, at(k), default=nowhere) is nowhere]
    if others:
        raise UserError(
            f"resume: also got {', '.join(others)}; a resumed run keeps its settings, except "
            f"{', '.join(AFTER)}, mesh.* and stages that have not begun (refine, texture); leave the others out, or "
            "start a new run"
        )
    saved = saved_settings(folder, "resume")
    refuse_if_held(folder)
    if moved and (saved.mesh_file is None or settings.mesh_file is None):
        raise UserError("mesh: expected the file that this run started from, or nothing; leave mesh= out")
    if moved:
        saved.mesh_file = str(Path(settings.mesh_file).expanduser().resolve())
    if "steps" in changed and saved.mesh_file is not None:
        raise UserError("steps: this run started from a mesh and has no coarse stage; leave steps= out")
    for key in map(at, changed):
        change(saved, key, settings)
    check(saved)
    run = Run(folder, saved, changed=changed)
    if moved:
        write_settings(run)
    return run


def changeable(key: str) -> bool:
    """Whether a resumed run may change this setting.

    >>> changeable("mesh.faces"), changeable("mesh"), changeable("refine.steps"), changeable("seed")
    (True, False, True, False)
    """
    return key in AFTER or key.startswith("mesh.") or at(key).partition(".")[0] in STAGES


def at(key: str) -> str:
    """Path of a word's setting: of ``group@place`` the place.

    >>> at("refine@texture"), at("mesh.faces")
    ('texture', 'mesh.faces')
    """
    return key.rpartition("@")[2]


def change(saved: DictConfig, key: str, settings: DictConfig) -> None:
    """Replace a saved setting by that of ``settings``. A learning rate that decays until the end of a later stage
    still does when the stage's length changes."""
    stage, _, name = key.partition(".")
    node = OmegaConf.select(settings, key)
    given = OmegaConf.to_container(node) if OmegaConf.is_config(node) else node  # references lead to the run's own
    if stage in STAGES and name == "steps" and OmegaConf.select(saved, f"{stage}.lr.finish") == saved[stage].steps:
        saved[stage].lr.finish = max(int(float(str(given))), 1)
    OmegaConf.update(saved, key, given, merge=False)


def check_begun(run: Run, saved: Tree) -> None:
    """Raise UserError for a changed setting of a stage that has begun in the checkpoint ``saved``; its number of
    steps may change until the next stage begins. A longer coarse stage restarts the later ones."""
    if run.settings.steps != saved.get("step"):
        return
    for i, name in enumerate(STAGES):
        of_stage = [key for key in run.changed if at(key).partition(".")[0] == name]
        over = any(later in saved for later in STAGES[i + 1 :])
        late = [key for key in of_stage if over or (name in saved and key != f"{name}.steps")]
        if late:
            raise UserError(
                f"resume: got {', '.join(late)}, but the checkpoint is past the beginning of {name}; leave that out, "
                "or start a new run"
            )
        with restoring():
            made = int(saved[name]["step"]) if name in saved else 0
        if run.settings[name].steps < made:
            raise UserError(
                f"{name}.steps: got {run.settings[name].steps}, but the run has completed {made}; use a larger number"
            )
