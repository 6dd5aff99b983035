"""Writes finished runs in the folder layouts of other projects' benchmarks."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image as Pillow
from torch import Tensor

from dream3d.cameras import turntable
from dream3d.compare.grid import Cell
from dream3d.compare.settings import LAYOUTS, Settings, groups, listed
from dream3d.compare.views import exported, mesh_file
from dream3d.geometry.normals import vertex_normals
from dream3d.mesh.clean import welded
from dream3d.mesh.export import export
from dream3d.render.reference import Reference
from dream3d.report.files import replacing
from dream3d.report.pictures import to_bytes
from dream3d.run.directory import slug
from dream3d.run.previews import DISTANCE, ELEVATION, FOV_Y
from dream3d.types import Camera, Mesh

T3BENCH_GROUPS = {"object with surroundings": "surr", "several objects": "multi"}
"""Of the kinds of prompts in conf/benchmark; all others are ``single``."""


def write_exports(cells: Sequence[Cell], settings: Settings) -> list[Path]:
    """Write each layout named by ``export=`` to a folder of that name beside the report. Returns the folders."""
    names = [str(name) for name in listed(settings.export)]
    folders = [Path(settings.out).expanduser() / name for name in names]
    for name, folder in zip(names, folders, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        WRITERS[name](cells, settings, folder)
    return folders


def with_meshes(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Mesh]]:
    """The cells that have exported a mesh."""
    for cell in cells:
        if (file := mesh_file(cell.folder)) is not None:
            yield cell, exported(file)


def gpteval3d(cells: Sequence[Cell], settings: Settings, folder: Path) -> None:
    """GPTEval3D's (arXiv 2401.04092): ``methods/<variant>/<index in prompts.json>/<seed>/rgb_0.png, normal_0.png ...``
    around the object, over white; world-space normals as ``(n + 1) / 2``.

    A ``prompts.json`` that is in the folder already (theirs, for a tournament against their methods) keeps its order;
    missing prompts are appended. Runs that already have images are skipped.
    """
    listed = folder / "prompts.json"
    known = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    prompts = list(dict.fromkeys([*known, *(cell.prompt for cell in cells)]))
    with replacing(listed) as partial:
        partial.write_text(json.dumps(prompts, indent=2) + "\n", encoding="utf-8")
    views, size = settings.export_views, settings.export_size
    camera = turntable(views, ELEVATION, DISTANCE, FOV_Y, size)
    for cell, mesh in with_meshes(cells):
        place = folder / "methods" / slug(cell.variant) / str(prompts.index(cell.prompt)) / str(cell.seed)
        if not (place / f"normal_{views - 1}.png").is_file():
            place.mkdir(parents=True, exist_ok=True)
            write_rounds(mesh, camera, place)


def write_rounds(mesh: Mesh, camera: Camera, place: Path) -> None:
    """``rgb_i.png`` and ``normal_i.png`` of each camera."""
    whole = welded(mesh)  # normals go on across the seams of a texture
    lit, oriented = Reference(mesh), Reference(whole, (vertex_normals(whole.vertices, whole.faces) + 1) / 2)
    for i in range(len(camera)):
        for name, reference, ambient in (("rgb", lit, 0.85), ("normal", oriented, 1.0)):
            image = reference.picture(camera[i : i + 1], supersample=2, ambient=ambient)
            write_picture(image.over(torch.ones(1, 1, 1, 3))[0], place / f"{name}_{i}.png")


def write_picture(pixels: Float[Tensor, "h w 3"], path: Path) -> None:
    """A PNG, atomically."""
    with replacing(path) as partial:
        Pillow.fromarray(np.asarray(to_bytes(pixels))).save(partial, "PNG")


def t3bench(cells: Sequence[Cell], settings: Settings, folder: Path) -> None:
    """T3Bench's (arXiv 2310.02977): ``data/prompt_<group>.txt``, and the meshes as
    ``outputs_mesh_t3/<variant>_<group>/<prompt>@<seed>/save/it<steps>-export/model.obj``, turned to its z up.

    It scores the last folder of a prompt (in alphabetical order) alone: export one seed at a time to score all.
    """
    kinds = {prompt: T3BENCH_GROUPS.get(kind, "single") for kind, ps in groups(settings).items() for prompt in ps}
    listed: dict[str, list[str]] = {}
    for cell in cells:
        listed.setdefault(kinds.get(cell.prompt, "single"), []).append(cell.prompt)
    for group, prompts in listed.items():
        file = folder / "data" / f"prompt_{group}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(dict.fromkeys(prompts)) + "\n", encoding="utf-8")
    for cell, mesh in with_meshes(cells):
        method = f"{slug(cell.variant)}_{kinds.get(cell.prompt, 'single')}"
        run = f"{cell.prompt.replace(' ', '_').replace('/', '_')}@{cell.seed}"
        place = folder / "outputs_mesh_t3" / method / run / "save" / f"it{cell.settings['steps']}-export"
        place.mkdir(parents=True, exist_ok=True)
        x, y, z = mesh.vertices.unbind(dim=1)
        export(replace(mesh, vertices=torch.stack((x, -z, y), dim=1)), place, ["obj"], name="model")


WRITERS: Mapping[str, Callable[[Sequence[Cell], Settings, Path], None]] = dict(
    zip(LAYOUTS, (gpteval3d, t3bench), strict=True)
)
