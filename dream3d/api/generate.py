"""The whole of dream3d as one function: ``generate("a corgi", steps=200).mesh``."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from dream3d.cli.overrides import composed
from dream3d.contracts import TrainableField
from dream3d.run.build import PriorOf, build_prior
from dream3d.run.config import check
from dream3d.run.progress import OnStep
from dream3d.run.stages import completed
from dream3d.types import Mesh

FILES = ("*.glb", "*.obj", "*.ply", "*.stl", "*.png", "*.mp4", "*.gif", "*.html", "*.jsonl", "*.json", "*.yaml", "*.pt")


@dataclass(frozen=True)
class Result:
    """The result of a run. ``fields`` and ``meshes`` have one item a particle, ``files`` maps names to paths."""

    folder: Path
    fields: Sequence[TrainableField]
    meshes: Sequence[Mesh]
    files: Mapping[str, Path]
    seconds: Mapping[str, float]
    warnings: Sequence[str]

    @property
    def mesh(self) -> Mesh:
        """The first particle's mesh: vertices, faces, uv and texture, +y up, front towards +z."""
        return self.meshes[0]


def generate(
    prompt: str,
    *,
    steps: int | None = None,
    seed: int | None = None,
    distill: str | None = None,
    field: str | None = None,
    prior: str | None = None,
    refine: str | None = None,
    experiment: str | None = None,
    image: Path | str | None = None,
    mesh: Path | str | None = None,
    out: Path | str | None = None,
    device: str | None = None,
    overrides: Sequence[str] = (),
    on_step: OnStep | None = None,
    quiet: bool = True,
    prior_of: PriorOf = build_prior,
) -> Result:
    """Generate a textured mesh from a prompt, as ``python -m dream3d prompt=...`` does.

    Args:
        steps .. device: the settings of that name; None leaves the default of ``conf/``.
        overrides: any other settings, as on the command line: ``["distill.loss.scale=7", "mesh.faces=5000"]``.
        on_step: is called after every optimisation step with a ``Progress`` (stage, done, total, and the step's
            loss, gradient norm, timesteps); an exception it raises ends the run.
        quiet: no console output; warnings are in the result.
        prior_of: where the prior comes from; one ``dream3d.run.shared_prior.Priors()`` given to several calls
            loads it once.

    Raises:
        UserError: an invalid setting, in one line: got, expected, fix.
        KeyboardInterrupt: after Ctrl-C or the stop button; a checkpoint has been saved.
    """
    given = {"steps": steps, "seed": seed, "distill": distill, "field": field, "prior": prior, "refine": refine,
             "experiment": experiment, "image": image, "mesh": mesh, "out": out, "device": device}  # fmt: skip
    words = [f"{name}={value}" for name, value in given.items() if value is not None]
    settings = composed([*words, *overrides])
    settings.prompt = prompt  # whatever is in it, without the command line's quoting
    check(settings)
    console = Console(file=io.StringIO()) if quiet else None
    run = completed(settings, [], prior_of, console, on_step)
    files = {path.name: path for pattern in FILES for path in sorted(run.folder.glob(pattern))}
    return Result(run.folder, run.fields, run.meshes, files, run.seconds, run.watchdog.warnings)
