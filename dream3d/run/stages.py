"""The stages of a run: coarse field -> refined mesh (optional) -> files."""

import copy
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from dream3d.contracts import TrainableField
from dream3d.errors import Stopped, UserError
from dream3d.gradients import NonFinite
from dream3d.mesh.build import Build
from dream3d.mesh.delight import Lit
from dream3d.optimize import Setup, Step, optimize
from dream3d.report.console import Bar
from dream3d.report.loggers import loggers
from dream3d.report.metrics_log import MetricsLog
from dream3d.report.pictures import preview
from dream3d.run import checkpoint
from dream3d.run.build import PriorOf, build, build_prior, restore, state_of
from dream3d.run.config import Tree
from dream3d.run.construction_errors import constructing, restoring
from dream3d.run.determinism import deterministic
from dream3d.run.directory import LEFTOVERS, PRODUCTS, Run, check_begun, clear, resume, start, undone, write_settings
from dream3d.run.editing import begin as begin_edit
from dream3d.run.editing import end as end_edit
from dream3d.run.finish import finish
from dream3d.run.initial_field import begin_from
from dream3d.run.initial_mesh import carry, given_mesh
from dream3d.run.interrupt import deferred
from dream3d.run.lock import locked
from dream3d.run.parallel import agreed, of_first, share_weights
from dream3d.run.picture import write_references
from dream3d.run.pictures import keep_before
from dream3d.run.previews import preview_mesh, shown, sides
from dream3d.run.progress import OnStep, Progress
from dream3d.run.refine import STAGES, check_stages, refined
from dream3d.run.stopping import stop_asked
from dream3d.run.telling import Pace, stopping, tell
from dream3d.seeding import generator, processes, rank
from dream3d.types import Mesh


def run(
    settings: DictConfig,
    overrides: Sequence[str],
    prior_of: PriorOf = build_prior,
    console: Console | None = None,
) -> Path:
    """Carry out a run. Returns its folder; otherwise as ``completed``."""
    return completed(settings, overrides, prior_of, console).folder


def completed(
    settings: DictConfig,
    overrides: Sequence[str],
    prior_of: PriorOf = build_prior,
    console: Console | None = None,
    on_step: OnStep | None = None,
) -> Run:
    """Carry out the run of a configuration, from the beginning or from its checkpoint to the files.

    ``prior_of`` may return a prior that is already loaded; ``console`` shows progress (None: stdout);
    ``on_step`` is called after every step, and an exception it raises ends the run.

    Raises:
        UserError: something the user can fix.
        KeyboardInterrupt: after a checkpoint was saved and the command to resume was printed (``Stopped`` for signals
            other than Ctrl-C).
    """
    resumed = settings.resume is not None
    run = resume(settings, overrides) if resumed else start(settings)
    run.console, run.on_step = console or run.console, on_step
    if run.settings.threads:
        torch.set_num_threads(run.settings.threads)
    with stopping(run), locked(run.folder):
        clear(run.folder, LEFTOVERS)
        saved = checkpoint.load(run.folder / "checkpoint.pt") if resumed else None
        check_begun(run, saved or {})
        with undone(run), run.stage("load"):
            setup, build_mesh = built(run.settings, prior_of)
            given = given_mesh(run.settings)
            if saved is not None:
                restored(run, setup, saved)
        if not resumed:
            clear(run.folder, PRODUCTS)
        write_settings(run)
        write_references(setup, run.folder)
        tell(run, setup)
        if processes() > 1:
            run.say(f"{processes()} processes: each renders batch_size={run.settings.batch_size} views a step")
        with deterministic(setup.device):
            with run.stage("coarse" if given is None else "carry"):
                coarse(run, setup, run.step) if given is None else carried(run, setup, given)
            setup = refine(run, setup, build_mesh.geometry, given, saved or {}, prior_of)
            if rank() == 0:
                finish(run, setup, build_mesh)
    return run


def built(settings: DictConfig, prior_of: PriorOf = build_prior) -> tuple[Setup, Build]:
    """``build`` and the mesh extractor; errors in them, or in t at either end, are reported in one line."""
    with constructing():
        setup = build(settings, prior_of)
        if settings.mesh.light == "auto":  # kept with the run, for later exports
            settings.mesh.light = setup.prior.light if isinstance(setup.prior, Lit) else None
        build_mesh = instantiate(settings.mesh)
        for step in (0, settings.steps - 1):
            setup.time(step, 1, len(setup.prior.alpha_bar), generator(settings.seed, step, "time"))
        check_stages(settings, len(setup.prior.alpha_bar), prior_of)
    return setup, build_mesh


def restored(run: Run, setup: Setup, saved: Tree) -> None:
    """Restore a checkpoint. Raises UserError if it is not one of this run, or lies beyond its last step."""
    with restoring():
        step, state = int(saved["step"]), saved["state"]
    if step > run.settings.steps:
        raise UserError(f"steps: got {run.settings.steps}, but the run has completed {step}; use a larger number")
    restore(setup, state)
    run.step = step


def coarse(run: Run, setup: Setup, begin: int) -> None:
    """Optimise the field(s). A first checkpoint is written at the beginning."""
    if begin == 0:
        for line in (*begin_from(setup, run.settings), *begin_edit(setup, run.settings)):
            run.say(line)
        save(run, setup, 0)  # what an earlier run left in this folder must not be resumed as this one
    train(
        run,
        setup,
        begin,
        run.settings.steps,
        stage="coarse",
        keep=lambda done: save(run, setup, done),
    )
    for line in end_edit(setup, run.settings) if begin < run.settings.steps else []:
        run.say(line)
        save(run, setup, run.settings.steps)


def carried(run: Run, setup: Setup, mesh: Mesh) -> None:
    """Replaces the coarse stage: fit the colours of a given mesh in the field(s); of an edit, its volume as well."""
    if run.step == 0:
        if setup.source is None:
            run.say(f"{run.settings.mesh_file}: colours carried over with an error of {carry(setup, mesh):.3f}")
        for line in begin_edit(setup, run.settings):
            run.say(line)
        save(run, setup, run.settings.steps)


def refine(
    run: Run,
    setup: Setup,
    start: Callable[[TrainableField], Mesh],
    given: Mesh | None,
    saved: Tree,
    prior_of: PriorOf,
) -> Setup:
    """Optimise the field(s) as meshes (``run/refine.py``), in as many stages as have steps, and return the last
    one's setup; without any, the same. A stage starts from the mesh that is ``given`` for the first, or
    else from what ``start`` finds in the fields of the one before.

    Checkpoints keep what every stage ended with, from which the meshes are made again when resuming."""
    content = {"step": run.settings.steps, "state": copy.deepcopy(state_of(setup))}
    fine, edited = setup, given
    for name in STAGES:
        total = run.settings[name].steps
        if total == 0:
            continue
        with run.stage(name):
            of = partial(found, run.folder, setup.fields[0], start) if given is None else partial(itself, given)
            with constructing():
                fine = refined(setup, run.settings, of, name=name, fields=fine.fields, edited=edited, prior_of=prior_of)
            given = None
            if begin := begun(run, saved, name):
                restore(fine, saved[name]["state"])
            keep = partial(keep_stage, run, content, name, fine)
            train(run, fine, begin, total, stage=name, keep=keep)
            content[name] = {"step": total, "state": copy.deepcopy(state_of(fine))}
    return fine


def begun(run: Run, saved: Tree, name: str) -> int:
    """Steps of a later stage in the checkpoint; 0 if the coarse stage has been lengthened since."""
    with restoring():
        return int(saved[name]["step"]) if name in saved and run.step == int(saved["step"]) else 0


def found(folder: Path, first: TrainableField, start: Callable[[TrainableField], Mesh], field: TrainableField) -> Mesh:
    """The mesh that ``start`` extracts from the field; that of the ``first`` coarse one is saved for comparison."""
    mesh = of_first(start(field))
    return keep_before(folder, mesh) if field is first else mesh


def itself(mesh: Mesh, _field: TrainableField) -> Mesh:
    """The given mesh, in place of one extracted from the field."""
    return mesh


def keep_stage(run: Run, before: Tree, name: str, setup: Setup, done: int) -> None:
    """A checkpoint in a later stage: the final states of the stages ``before``, and the current one."""
    now = {"step": done, "state": state_of(setup)}
    checkpoint.save(run.folder / "checkpoint.pt", {**before, name: now})


def train(run: Run, setup: Setup, begin: int, total: int, *, stage: str, keep: Callable[[int], None]) -> None:
    """The loop of one stage, with logs, previews and checkpoints (``keep``), also when asked to stop."""
    share_weights(setup)
    every = 1 if setup.device.type == "cpu" else 20
    metrics = "metrics.jsonl" if stage == "coarse" else f"metrics-{stage}.jsonl"
    others = loggers(run.settings.log, run.folder, stage, begin, plain(run.settings))
    pace = Pace(stage, begin, total)
    stop_asked(run.folder)  # of an earlier run; not meant for this one
    if begin == total:  # finished before: the watchdog's verdict on the result
        look(run, setup, total, last=True)
    with (
        deferred() as signalled,
        MetricsLog(run.folder / metrics, begin, every, others) as log,
        Bar(run.console, f"{stage}: {run.settings.prompt}", total, begin) as bar,
    ):
        try:
            for step in optimize(setup, begin, total):
                done = step.step + 1
                run.place = f"in {stage} at step {done} of {total}"
                log.write(step.step, scalars(step))
                bar.update(done, step.loss)
                if told := pace.line(done, run.settings):
                    run.say(told)
                if done % run.settings.preview_every == 0 or done == total:
                    look(run, setup, done, last=done == total)
                number = agreed(signalled() or stop_asked(run.folder) * signal.SIGINT, step.step, setup.device)
                if done % run.settings.checkpoint_every == 0 or done == total or number:
                    log.flush()
                    keep(done)
                if number:
                    raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)
                if run.on_step is not None:
                    run.on_step(Progress(stage, done, total, step))
        except (NonFinite, ValueError) as error:
            raise UserError(str(error)) from error


def plain(settings: DictConfig) -> Tree:
    """The settings as nested dictionaries."""
    return {str(k): v for k, v in (OmegaConf.to_container(settings, resolve=True) or {}).items()}  # pyright: ignore


def scalars(step: Step) -> dict[str, torch.Tensor]:
    """The values of a step that go into metrics.jsonl."""
    named = {"loss": step.loss, "grad_norm": step.grad_norm, "alpha": step.alpha, "t": step.t.float().mean()}
    return {**named, **step.losses}


def save(run: Run, setup: Setup, done: int) -> None:
    """Write the run's checkpoint after ``done`` steps of this stage."""
    checkpoint.save(run.folder / "checkpoint.pt", {"step": done, "state": state_of(setup)})
    run.step = done


def look(run: Run, setup: Setup, done: int, *, last: bool) -> None:
    """Write eight views of the (first) field to preview.png, and run the watchdog on them; at the ``last`` step of a
    stage before time is spent on its mesh."""
    image = sides(setup)
    preview(shown(setup, image), run.folder / "preview.png")
    if run.settings.live:
        preview_mesh(setup, run.folder)
    for warning in run.watchdog.look(image, done, last):
        run.say(f"warning: {warning}")
