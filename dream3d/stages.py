"""The stages of a run: coarse field -> refined mesh (if it is asked for) -> files."""

import copy
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console

from dream3d import checkpoint
from dream3d.build import PriorOf, accelerators, build, build_prior, restore, state_of
from dream3d.cameras import turntable
from dream3d.complaints import constructing, restoring
from dream3d.errors import UserError
from dream3d.folder import Run, resume, start, undone, write_settings
from dream3d.given import carry, given_mesh
from dream3d.interrupt import deferred
from dream3d.mesh.build import Build
from dream3d.optimize import NonFinite, Setup, Step, optimize
from dream3d.refine import refined
from dream3d.render.reference import Reference
from dream3d.report import manifest
from dream3d.report.console import Bar, say, summary
from dream3d.report.metrics_log import MetricsLog
from dream3d.report.pictures import preview
from dream3d.report.turntable import write_gif, write_mp4
from dream3d.report.viewer import write_viewer
from dream3d.seeding import generator
from dream3d.types import Image, Mesh

ELEVATION, DISTANCE, FOV_Y = 0.3, 3.2, 0.70  # of the cameras for previews and turntables
FILES = {
    "mesh.glb": "textured mesh",
    "mesh.obj": "the same for older programs",
    "turntable.mp4": "once round it",
    "turntable.gif": "once round it, small",
    "preview.png": "eight sides",
    "viewer.html": "to turn it in a browser",
    "checkpoint.pt": "to continue",
}


def run(
    settings: DictConfig,
    overrides: Sequence[str],
    prior_of: PriorOf = build_prior,
    console: Console | None = None,
) -> Path:
    """From a configuration to a folder of files. Returns the folder.

    ``prior_of`` may hand out a prior already loaded; ``console`` is where progress goes (None: stdout).

    Raises:
        UserError: something the user can mend.
        KeyboardInterrupt: after a checkpoint was saved and the way to continue was said.
    """
    resumed = settings.resume is not None
    run = resume(settings, overrides) if resumed else start(settings)
    run.console = console or run.console
    if run.settings.threads:
        torch.set_num_threads(run.settings.threads)
    saved = checkpoint.load(run.folder / "checkpoint.pt") if resumed else None
    with undone(run), run.stage("load"):
        setup, build_mesh = built(run.settings, prior_of)
        given = given_mesh(run.settings)
        if saved is not None:
            restored(run, setup, saved)
    write_settings(run)
    for note in setup.notes:
        say(run.console, note)
    run.watchdog.extend(setup.warnings)
    for warning in run.watchdog.warnings:
        say(run.console, f"warning: {warning}")
    try:
        with run.stage("coarse" if given is None else "carry"):
            coarse(run, setup, run.step) if given is None else carried(run, setup, given)
        setup = refine(run, setup, build_mesh.geometry if given is None else lambda _: given, saved)
        finish(run, setup, build_mesh)
    except KeyboardInterrupt:
        word = shlex.quote(f"resume={run.folder}")
        say(run.console, f"stopped at step {run.step}; continue with: python -m dream3d {word}")
        raise
    return run.folder


def built(settings: DictConfig, prior_of: PriorOf = build_prior) -> tuple[Setup, Build]:
    """``build`` and the mesh maker; what is wrong with them, or with t at both ends, is one line."""
    with constructing():
        build_mesh = instantiate(settings.mesh)
        setup = build(settings, prior_of)
        for step in (0, settings.steps - 1):
            setup.time(step, 1, len(setup.prior.alpha_bar), generator(settings.seed, step, "time"))
    return setup, build_mesh


def restored(run: Run, setup: Setup, saved: dict[str, Any]) -> None:
    """Put a checkpoint back. Raises UserError when it is not one of this run, or is beyond its last step."""
    with restoring():
        step, state = int(saved["step"]), saved["state"]
    if step > run.settings.steps:
        raise UserError(f"steps: got {run.settings.steps}, but the run has made {step}; say a larger number")
    restore(setup, state)
    run.step = step


def coarse(run: Run, setup: Setup, begin: int) -> None:
    """Optimise the field(s). A checkpoint is written at the very beginning."""
    if begin == 0:
        save(run, setup, 0)  # what an earlier run left in this folder must not be resumed as this one
    train(
        run,
        setup,
        begin,
        run.settings.steps,
        metrics="metrics.jsonl",
        keep=lambda done: save(run, setup, done),
    )


def carried(run: Run, setup: Setup, mesh: Mesh) -> None:
    """In place of the coarse stage: the colours of a given mesh, in the field(s)."""
    if run.step == 0:
        error = carry(setup, mesh)
        say(run.console, f"{run.settings.mesh_file}: colours carried over with an error of {error:.3f}")
        save(run, setup, run.settings.steps)


def refine(run: Run, setup: Setup, start: Callable[[Any], Mesh], saved: dict[str, Any] | None) -> Setup:
    """Optimise the field(s) as meshes (``refine.py``) from what ``start`` finds in them, and return that
    setup; without this stage, the same.

    Checkpoints keep what the coarse stage ended with, from which the meshes are made again when resuming."""
    total = run.settings.refine.steps
    if total == 0:
        return setup
    with run.stage("refine"):
        made = copy.deepcopy(state_of(setup))
        with constructing():
            fine = refined(setup, run.settings, start)
        begin, saved = 0, (saved or {}).get("refine")
        if saved is not None and run.step == run.settings.steps:
            restore(fine, saved["state"])
            begin = int(saved["step"])

        def keep(done: int) -> None:
            both = {
                "step": run.settings.steps,
                "state": made,
                "refine": {"step": done, "state": state_of(fine)},
            }
            checkpoint.save(run.folder / "checkpoint.pt", both)

        train(run, fine, begin, total, metrics="metrics-refine.jsonl", keep=keep)
    return fine


def train(
    run: Run, setup: Setup, begin: int, total: int, *, metrics: str, keep: Callable[[int], None]
) -> None:
    """The loop; log, preview and save (``keep``) on the way, and when interrupted."""
    every = 1 if setup.device.type == "cpu" else 20
    with (
        deferred() as interrupted,
        MetricsLog(run.folder / metrics, begin, every) as log,
        Bar(run.console, run.settings.prompt, total, begin) as bar,
    ):
        try:
            for step in optimize(setup, begin, total):
                done = step.step + 1
                log.write(step.step, scalars(step))
                bar.update(done, step.loss)
                if done % run.settings.preview_every == 0 or done == total:
                    look(run, setup, done)
                if done % run.settings.checkpoint_every == 0 or done == total or interrupted():
                    log.flush()
                    keep(done)
                if interrupted():
                    raise KeyboardInterrupt
        except (NonFinite, ValueError) as error:
            raise UserError(str(error)) from error


def scalars(step: Step) -> dict[str, torch.Tensor]:
    """What metrics.jsonl notes of a step."""
    named = {"loss": step.loss, "grad_norm": step.grad_norm, "alpha": step.alpha, "t": step.t.float().mean()}
    return {**named, **step.losses}


def save(run: Run, setup: Setup, done: int) -> None:
    checkpoint.save(run.folder / "checkpoint.pt", {"step": done, "state": state_of(setup)})
    run.step = done


def look(run: Run, setup: Setup, done: int) -> None:
    """Eight sides of the (first) field into preview.png, and the watchdog's opinion of them."""
    image = sides(setup)
    preview(image.over(torch.ones(1, 1, 1, 3)), run.folder / "preview.png")
    warning = run.watchdog.look(image, done)
    if warning:
        say(run.console, f"warning: {warning}")


@torch.no_grad()
def sides(setup: Setup, size: int = 128) -> Image:
    """The first field from eight sides."""
    camera = turntable(8, ELEVATION, DISTANCE, FOV_Y, size).to(setup.device)
    frames = [setup.renderers[0](setup.fields[0], camera[i : i + 1]).image for i in range(len(camera))]
    return Image(torch.cat([f.colour for f in frames]).cpu(), torch.cat([f.alpha for f in frames]).cpu())


def finish(run: Run, setup: Setup, build_mesh: Callable[..., Mesh]) -> None:
    """Mesh, pictures and viewer of every particle, the manifest, the summary."""
    for i, field in enumerate(setup.fields):
        folder = run.folder if i == 0 else run.folder / f"particle-{i}"
        folder.mkdir(exist_ok=True)
        try:
            with run.stage("mesh"):
                mesh = build_mesh(field, folder)
        except ValueError as error:
            raise UserError(str(error)) from error
        with run.stage("pictures"):
            write_pictures(folder, mesh, run.settings.prompt)
    facts = manifest.collect(
        prompt=run.settings.prompt,
        seed=run.settings.seed,
        device=str(setup.device),
        stages=run.seconds,
        accelerators=accelerators(setup),
        warnings=run.watchdog.warnings,
    )
    manifest.write(facts, run.folder / "run.json")
    made = {name: what for name, what in FILES.items() if (run.folder / name).exists()}
    summary(
        run.console,
        run.settings.prompt,
        run.folder,
        files=made,
        stages=run.seconds,
        warnings=run.watchdog.warnings,
    )


def write_pictures(folder: Path, mesh: Mesh, prompt: str, frames: int = 60, size: int = 320) -> None:
    """turntable.mp4, turntable.gif and viewer.html of the exported mesh."""
    reference = Reference(mesh)
    camera = turntable(frames, ELEVATION, DISTANCE, FOV_Y, size)
    white = torch.ones(1, 1, 1, 3)
    pictures = torch.cat([
        reference.picture(camera[i : i + 1], supersample=2, ambient=0.85).over(white) for i in range(frames)
    ])  # fmt: skip
    write_mp4(pictures, folder / "turntable.mp4")
    write_gif(pictures[::2], folder / "turntable.gif", fps=12)
    if (folder / "mesh.glb").exists():
        write_viewer(folder / "mesh.glb", folder / "viewer.html", prompt)
