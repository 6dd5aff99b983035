"""``python -m dream3d export run=outputs/<run> format=glb,stl``: export a finished or interrupted run again.

    run=<folder>         the run, with its config.yaml and checkpoint.pt
    format=obj,stl       of glb, obj, ply, stl, 3mf; default: the run's mesh.formats, likewise for those below
    resolution=256       grid cells across the unit ball (mesh.resolution); refined runs keep their own
    faces=20000          face budget (mesh.faces)
    texture=2048         texels a side (mesh.size)
    isovalue=auto        density of the surface, or auto (mesh.isovalue)
    normal_map=true      bake the normals of the surface before decimation into the GLB (mesh.normal_map)
    occlusion=64         bake ambient occlusion into the GLB, with this many rays a texel (mesh.occlusion)
    lods=5000,1500       face budgets of coarser copies, mesh-lod1 and mesh-lod2 (mesh.lods)
    size_mm=120          longest side in stl and 3mf, for 3D printing: z up, standing on z = 0 (mesh.size_mm)
    out=<folder>         output folder; default: the run's

Neither the prior nor a GPU is needed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dream3d.cli.commands import HELP_FLAGS, written
from dream3d.cli.errors import reported
from dream3d.cli.explain import misfits, nearest
from dream3d.contracts import TrainableField
from dream3d.errors import UserError
from dream3d.run.config import Tree
from dream3d.run.ranges import out_of_range

MESH = {
    "format": "formats",
    "resolution": "resolution",
    "faces": "faces",
    "texture": "size",
    "isovalue": "isovalue",
    "size_mm": "size_mm",
    "normal_map": "normal_map",
    "occlusion": "occlusion",
    "lods": "lods",
}
SINCE: Tree = {"size_mm": 80.0, "normal_map": False, "occlusion": 0, "lods": []}
"""Settings that runs of earlier versions lack."""
WORDS = ("run", "out", *MESH)


def parsed(words: Sequence[str]) -> dict[str, str]:
    """The arguments as a dictionary. Raises UserError for one that is not in ``WORDS``, or if run= is missing."""
    given = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value or key not in WORDS:
            raise UserError(
                f"got '{word}'{nearest(key, WORDS)}, expected {'=..., '.join(WORDS)}=...; "
                "see python -m dream3d export --help"
            )
        given[key] = value
    if "run" not in given:
        raise UserError("run: got nothing, expected a run folder; use run=outputs/...")
    return given


def mesh_settings(saved: DictConfig, given: dict[str, str]) -> DictConfig:
    """The run's mesh settings with those of the command line. Raises UserError for a value of the wrong type."""
    default: Any = OmegaConf.to_container(saved.mesh, resolve=True)
    default = {**SINCE, **default}
    mesh: Any = OmegaConf.create(default)
    for word, name in MESH.items():
        if word in given:
            mesh[name] = value_of(word, given[word])
    tree = OmegaConf.to_container(mesh)
    for wrong in (*misfits(tree, default, "mesh"), *out_of_range(tree, "mesh")):
        raise UserError(wrong)
    return mesh


def value_of(word: str, text: str) -> Any:
    """Parse a value: ``format`` and ``lods`` are lists; then booleans, numbers, or else text.

    >>> value_of("format", "obj,stl"), value_of("lods", "[500]"), value_of("faces", "500"), value_of("isovalue", "auto")
    (['obj', 'stl'], [500], 500, 'auto')
    """
    if word in ("format", "lods"):
        parts = [part.strip() for part in text.strip("[]").split(",") if part.strip()]
        return [value_of("", part) for part in parts]
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def fields_of(saved: DictConfig, file: Path) -> list[TrainableField]:
    """The field(s) of a checkpoint, on the CPU; of the second stage if that had begun.

    Raises UserError if the checkpoint is damaged or belongs to another field."""
    import torch
    from hydra.utils import instantiate

    from dream3d.fields.latents import switch
    from dream3d.run import checkpoint
    from dream3d.run.build import build_fields
    from dream3d.run.construction_errors import constructing, restoring
    from dream3d.run.refine import STAGES, shaped
    from dream3d.types import Mesh

    content = checkpoint.load(file)
    nothing = Mesh(torch.zeros(3, 3), torch.zeros(1, 3, dtype=torch.int64))  # until the state is loaded
    with constructing():
        fields: list[TrainableField] = build_fields(saved, torch.device("cpu"))
        for name in (name for name in STAGES if name in content):
            make = instantiate(saved[name].field)
            fields = [shaped(make, field, nothing, lambda x: x.new_zeros(len(x))) for field in fields]
    with restoring():
        last = next((content[name] for name in reversed(STAGES) if name in content), content)
        state = last["state"]
        for field, own in zip(fields, state["fields"], strict=True):
            field.load_state_dict(own)
            switch(field, True)
    return fields


def export(words: Sequence[str]) -> list[Path]:
    """Extract the mesh of every particle again. Returns the files written. Raises UserError."""
    given = parsed(words)
    from dream3d.run.saved import saved_settings  # this and what follows imports torch

    run = Path(given["run"]).expanduser()
    out = Path(given.get("out", run)).expanduser()
    saved = saved_settings(run, "run")
    settings = mesh_settings(saved, given)
    if out.exists() and not out.is_dir():
        raise UserError(f"out: got '{out}', which is a file; expected a folder")
    from hydra.utils import instantiate

    from dream3d.mesh.export import export as write
    from dream3d.report.manifest import add_files
    from dream3d.run.construction_errors import constructing

    with constructing():
        build_mesh = instantiate(settings)
    fields = fields_of(saved, run / "checkpoint.pt")
    with constructing():  # an empty or a solid field is a ValueError
        made = [list(build_mesh.levels(field)) for field in fields]
    files = []
    for i, levels in enumerate(made):
        folder = out if i == 0 else out / f"particle-{i}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, mesh in levels:
            files += write(mesh, folder, build_mesh.formats, name, size_mm=float(build_mesh.size_mm))
    add_files(out, files)
    return files


def command(words: Sequence[str]) -> int:
    """Export, or print help. Returns the exit code, as the main command does."""
    if not words or HELP_FLAGS.intersection(words):
        sys.stdout.write(written(__doc__))
        return 0

    def action() -> None:
        for file in export(words):
            sys.stdout.write(f"{file}\n")

    return reported(action)


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
