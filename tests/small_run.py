"""A whole run in under a second: a small field that rebuilds a coloured box from its pictures."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import trimesh
from scenes import box
from tiny import mini, saved

from dream3d.cli.main import command

ROOT = Path(__file__).parent.parent
SMALL = (
    "prompt=a box", "threads=1", "device=cpu", "checkpoint_every=3", "size=32", "render.samples=32",
    "render.occupancy=16", "render.occupancy_every=2", "field.resolutions=[8,16]", "mesh.resolution=24",
    "mesh.size=64", "mesh.faces=300", "mesh.formats=[glb]",
)  # fmt: skip


def box_file(folder: Path) -> Path:
    """The box of ``scenes.py`` as a PLY file."""
    mesh, file = box(), folder / "box.ply"
    colours = (mesh.colours.numpy() * 255).astype("uint8")
    trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=colours).export(file)
    return file


def rebuild(folder: Path, *more: str) -> list[str]:
    """Words for a run against the box's exact score."""
    return ["experiment=reconstruct", f"prior.path={box_file(folder)}", "prior.resolution=32", *SMALL, *more]


def tiny_prior(folder: Path) -> Path:
    """An untrained text- and camera-conditioned prior that knows a corgi, a dog and a fire truck."""
    torch.manual_seed(0)
    path = saved(mini(), folder / "tiny-prior")
    concepts = {"corgi": [], "dog": ["hound"], "fire truck": ["fire engine"]}
    (path / "concepts.json").write_text(json.dumps(concepts))
    return path


def without_pictures(monkeypatch: Any) -> None:
    """Leave out the turntable and the viewer: they take longer than all the rest."""
    monkeypatch.setattr("dream3d.run.finish.write_pictures", lambda *_: None)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP work inside and in processes started inside, even where pytest runs in the
    background."""
    handlers = {
        signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL
    }  # fmt: skip
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def during(monkeypatch: Any, words: Sequence[str], steps: int, happens: Callable[[], object]) -> int:
    """The run, in whose step ``steps`` something happens; the exit code."""
    import dream3d.run.stages

    scalars = dream3d.run.stages.scalars

    def noted(step):
        if step.step == steps - 1:
            happens()
        return scalars(step)

    with interruptible(), monkeypatch.context() as patch:
        patch.setattr("dream3d.run.stages.scalars", noted)
        return command(words)


def stopped_after(monkeypatch: Any, words: Sequence[str], steps: int, *signals: int) -> int:
    """The run with Ctrl-C pressed (or other signals sent) in its step ``steps``; the exit code."""

    def send() -> None:
        for number in signals or (signal.SIGINT,):
            os.kill(os.getpid(), number)

    return during(monkeypatch, words, steps, send)


def process(code: str, words: Sequence[str], **options: Any) -> subprocess.Popen:
    """``python <code> <words>``, where the first word of ``code`` is -m or -c."""
    with interruptible():
        return subprocess.Popen(
            [sys.executable, *code.split(" ", 1), *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )


def steps_logged(folder: Path) -> int:
    """Whole lines of metrics.jsonl."""
    file = folder / "metrics.jsonl"
    return file.read_text().count("\n") if file.exists() else 0


def differences(a: Any, b: Any, at: str = "") -> list[str]:
    """Where two checkpoints differ, bit for bit."""
    if isinstance(a, torch.Tensor):
        same = isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
        return [] if same else [at]
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [d for key in a for d in differences(a[key], b[key], f"{at}/{key}")]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return [d for i, pair in enumerate(zip(a, b, strict=True)) for d in differences(*pair, f"{at}/{i}")]
    return [] if type(a) is type(b) and a == b else [at]
