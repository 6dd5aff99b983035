"""Measurements of one finished run."""

import json
import statistics
from pathlib import Path

import torch
from omegaconf import OmegaConf

from dream3d.compare.gradient import gradient_moments
from dream3d.compare.grid import Cell
from dream3d.compare.settings import Settings
from dream3d.compare.values import Missing, Values, finite, missing
from dream3d.compare.views import exported, mesh_file, round_views, write_views
from dream3d.errors import UserError
from dream3d.geometry.surface_sampling import surface_points
from dream3d.mesh.clean import inspect
from dream3d.mesh.reading import load_mesh
from dream3d.metrics.chamfer import chamfer, f_score
from dream3d.metrics.diversity import diversity
from dream3d.metrics.iou import mesh_occupancy, volume_iou
from dream3d.metrics.janus import pixel_features
from dream3d.metrics.saturation import opacity, saturation
from dream3d.report.files import facts_of
from dream3d.run import checkpoint, stages
from dream3d.run.build import PriorOf, build, restore
from dream3d.run.config import Tree
from dream3d.run.construction_errors import constructing
from dream3d.run.directory import slug
from dream3d.seeding import generator
from dream3d.types import Mesh

POINTS, NEAR, GRID = 20_000, 0.05, 64


def measure(cell: Cell, settings: Settings, prior_of: PriorOf) -> Values:
    """All values of a run; also writes the renders of its mesh (``views.png``)."""
    begun = json.loads(text) if (text := read(cell.measures / "resumed.json")) else 0
    found = {
        **spent(cell, begun),
        **curve(cell),
        **shape(cell, settings),
        **field_values(cell, settings, prior_of),
        **particles(cell),
    }
    return finite(found)


def read(file: Path) -> str:
    """The text of a file, empty where there is none."""
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def spent(cell: Cell, begun: int) -> Values:
    """Seconds and memory from run.json. A run resumed at step ``begun`` timed only what followed, so
    its total time is computed from its seconds per step."""
    facts = facts_of(cell.folder / "run.json")
    stages = facts.get("stages", {})
    peak = facts.get("peak_gpu_memory") or facts.get("peak_memory")
    steps = cell.settings["steps"]
    found: Values = {"peak_memory": peak if peak is not None else Missing("not in the run's run.json")}
    if "coarse" not in stages or steps <= begun:
        return found | missing(("seconds_per_step", "seconds"), "the run's run.json has no step time")
    each = stages["coarse"] / (steps - begun)
    return {**found, "seconds_per_step": each, "seconds": sum(stages.values()) + each * begun}


def curve(cell: Cell) -> Values:
    """The median gradient norm over the steps (before clipping)."""
    norms = [row["grad_norm"] for row in log(cell) if row.get("grad_norm") is not None]
    return {"grad_norm": statistics.median(norms) if norms else Missing("no metrics.jsonl")}


def log(cell: Cell) -> list[Tree]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in read(cell.folder / "metrics.jsonl").splitlines()]


def shape(cell: Cell, settings: Settings) -> Values:
    """Of the exported mesh: renders, number of faces, watertightness, and distance to a reference."""
    file = mesh_file(cell.folder)
    if file is None:
        return missing(("faces", "watertight", "chamfer", "f_score", "iou"), "the run has no mesh file")
    mesh = exported(file)
    write_views(round_views(mesh, settings.picture), cell.measures / "views.png")
    report = inspect(mesh)
    found: Values = {"faces": float(report.faces), "watertight": float(report.watertight)}
    return {**found, **geometry(load_mesh(file), reference_of(cell.prompt, settings.reference))}


def reference_of(prompt: str, place: str | None) -> Path | str:
    """The reference mesh of a prompt, or the reason why there is none."""
    if place is None:
        return "no reference mesh was given (reference=mesh.glb)"
    path = Path(place).expanduser()
    if path.is_file():
        return path
    files = (path / f"{slug(prompt)}.{kind}" for kind in ("glb", "obj", "ply"))
    return next((f for f in files if f.is_file()), f"no {slug(prompt)}.glb in the reference folder")


def geometry(mesh: Mesh, reference: Path | str) -> Values:
    """Chamfer-L1, F-score at 0.05 and volume IoU, both fitted into the unit ball."""
    if isinstance(reference, str):
        return missing(("chamfer", "f_score", "iou"), reference)
    other = load_mesh(reference)
    a, b = (surface_points(m, POINTS, generator(0, 0, "reference")) for m in (mesh, other))
    iou = volume_iou(mesh_occupancy(mesh, GRID), mesh_occupancy(other, GRID))
    return {"chamfer": chamfer(a, b), "f_score": f_score(a, b, NEAR), "iou": iou}


def field_values(cell: Cell, settings: Settings, prior_of: PriorOf) -> Values:
    """Of the field in the checkpoint: opacity, haze, saturation, and the noise of its gradient."""
    names = ["opacity", "fog", "saturation", "gradient_variance", *map(snr_name, settings.noise_at)]
    try:
        with constructing():
            setup = build(OmegaConf.create(cell.settings), prior_of)
        restore(setup, checkpoint.load(cell.folder / "checkpoint.pt")["state"])
        image = stages.sides(setup)
        found: Values = {
            "opacity": opacity(image).mean,
            "fog": opacity(image).fog,
            "saturation": saturation(image),
        }
        pairs = gradient_moments(setup, cell.settings["steps"] - 1, settings.noise_at, settings.noise_samples)
    except (UserError, ValueError) as error:
        return missing(names, " ".join(str(error).split()))
    if pairs:
        found["gradient_variance"] = sum(variance for _, variance in pairs) / len(pairs)
    for u, (signal, variance) in zip(settings.noise_at, pairs, strict=True):
        still = variance <= 1e-12 * (signal + 1e-30)
        found[snr_name(u)] = Missing("the gradient does not depend on the noise") if still else signal / variance
    return found


def snr_name(u: float) -> str:
    """The name of the column for the signal-to-noise ratio at t = u T."""
    return f"snr_{u:g}"


def particles(cell: Cell) -> Values:
    """Diversity over the particles of the run: distance of their renders from eight views."""
    folders = [cell.folder, *sorted(cell.folder.glob("particle-*"))]
    files = [file for folder in folders if (file := mesh_file(folder)) is not None]
    if len(files) < 2:
        return missing(["particle_diversity"], "one particle a run")
    grey = torch.full((1, 1, 1, 3), 0.5)
    views = [pixel_features(round_views(exported(f), 32, 8).over(grey), 16).flatten() for f in files]
    return {"particle_diversity": diversity(torch.stack(views) / len(views[0]) ** 0.5)}
