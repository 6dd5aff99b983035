"""The stages of a run: coarse field -> mesh -> files."""

from collections.abc import Sequence
from pathlib import Path

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from dream3d import checkpoint
from dream3d.build import accelerators, build, restore, state_of
from dream3d.cameras import turntable
from dream3d.errors import UserError
from dream3d.folder import Run, resume, start, write_settings
from dream3d.optimize import NonFinite, Setup, Step, optimize
from dream3d.render.reference import Reference
from dream3d.report import manifest
from dream3d.report.console import Bar, say, summary
from dream3d.report.metrics_log import MetricsLog
from dream3d.report.pictures import preview
from dream3d.report.turntable import write_gif, write_mp4
from dream3d.report.viewer import write_viewer
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


def run(settings: DictConfig, overrides: Sequence[str]) -> Path:
    """From a configuration to a folder of files. Returns the folder.

    Raises:
        UserError: something the user can mend.
        KeyboardInterrupt: after a checkpoint was saved.
    """
    resumed = settings.resume is not None
    run = resume(settings, overrides) if resumed else start(settings)
    if run.settings.threads:
        torch.set_num_threads(run.settings.threads)
    saved = checkpoint.load(run.folder / "checkpoint.pt") if resumed else None
    with run.stage("load"):
        setup = built(run.settings)
    if saved is not None:
        restore(setup, saved["state"])
    write_settings(run)
    run.watchdog.extend(setup.warnings)
    for warning in run.watchdog.warnings:
        say(run.console, f"warning: {warning}")
    with run.stage("coarse"):
        coarse(run, setup, 0 if saved is None else saved["step"])
    finish(run, setup)
    return run.folder


def built(settings: DictConfig) -> Setup:
    """``build``, with what a constructor complains of as one line."""
    try:
        return build(settings)
    except InstantiationException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise UserError(str(cause)) from error
    except ValueError as error:
        raise UserError(str(error)) from error


def coarse(run: Run, setup: Setup, begin: int) -> None:
    """Optimise the field(s); log, preview and save on the way; save when interrupted."""
    total, done = run.settings.steps, begin
    every = 1 if setup.device.type == "cpu" else 20
    with (
        MetricsLog(run.folder / "metrics.jsonl", begin, every) as log,
        Bar(run.console, run.settings.prompt, total, begin) as bar,
    ):
        try:
            for step in optimize(setup, begin, total):
                done = step.step + 1
                log.write(step.step, scalars(step))
                bar.update(done, step.loss)
                if done % run.settings.preview_every == 0 or done == total:
                    look(run, setup, done)
                if done % run.settings.checkpoint_every == 0 or done == total:
                    log.flush()
                    save(run, setup, done)
        except KeyboardInterrupt:
            save(run, setup, done)
            say(run.console, f"stopped at step {done}; continue with: python -m dream3d resume={run.folder}")
            raise
        except NonFinite as error:
            raise UserError(str(error)) from error


def scalars(step: Step) -> dict[str, torch.Tensor]:
    """What metrics.jsonl notes of a step."""
    named = {"loss": step.loss, "grad_norm": step.grad_norm, "alpha": step.alpha, "t": step.t.float().mean()}
    return {**named, **step.losses}


def save(run: Run, setup: Setup, done: int) -> None:
    checkpoint.save(run.folder / "checkpoint.pt", {"step": done, "state": state_of(setup)})


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


def finish(run: Run, setup: Setup) -> None:
    """Mesh, pictures and viewer of every particle, the manifest, the summary."""
    build_mesh = instantiate(run.settings.mesh)
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
