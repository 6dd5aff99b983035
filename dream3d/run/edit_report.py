"""What is written of an edit besides its mesh: before and after side by side, the region, and figures."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.contracts import TrainableField
from dream3d.editing.change import Change, change
from dream3d.fields.edited import Edited, as_field
from dream3d.fields.latents import in_rgb
from dream3d.mesh.build import Build
from dream3d.mesh.extract import find_isovalue, sample
from dream3d.optimize import Setup, Source
from dream3d.report.files import replacing
from dream3d.report.pictures import preview
from dream3d.report.turntable import write_gif, write_mp4
from dream3d.run.pictures import keep_before, turntable_frames
from dream3d.run.previews import around
from dream3d.types import Explicit, Mesh, SignedGrid, Surface

TINT = (0.9, 0.1, 0.5)  # of what may change, in region.png
GRID = 64  # lattice vertices a side that figures are taken at


def edited_field(setup: Setup) -> Edited | None:
    """The first field of an edit's volume stage; None where nothing is edited."""
    found = [module for module in setup.fields[0].modules() if isinstance(module, Edited)]
    return found[0] if setup.source is not None and found else None


def report_edit(setup: Setup, build_mesh: Build, after: Mesh, folder: Path, frames: int) -> list[str]:
    """The source's mesh, which the viewer's slider shows as before; before_after.mp4 and .gif (not for 0 frames);
    region.png; edit.json. Returns the figures in words; nothing where nothing is edited."""
    field, beside = edited_field(setup), setup.source
    if field is None or beside is None:
        return []
    source = as_field(field.source)
    with in_rgb(field):
        before = keep_before(folder, build_mesh.geometry(beside.fields[0]))
        isovalue = find_isovalue(sample(source, resolution=GRID, chunk=65536), "auto")
        now = painted(source, field) if isinstance(beside.fields[0], Explicit) and is_kept(setup) else field
        found = change(now, source, field.region.view((field.vertices,) * 3), isovalue, GRID)
    if frames:
        pictures = torch.cat([turntable_frames(mesh, frames, size=240) for mesh in (before, after)], dim=2)
        write_mp4(pictures, folder / "before_after.mp4")
        write_gif(pictures[::2], folder / "before_after.gif", fps=12, side=480)
    with in_rgb(field):
        preview(region_pictures(setup, beside, field), folder / "region.png")
    with replacing(folder / "edit.json") as partial:
        partial.write_text(json.dumps(dataclasses.asdict(found), indent=2) + "\n", encoding="utf-8")
    return [in_words(found)]


def in_words(found: Change) -> str:
    """One line."""
    inside, outside = ("none" if d is None else f"{d:.1f}" for d in (found.colour_inside, found.colour_outside))
    return (
        f"{found.changed:.0%} of the volume changed (IoU with the source {found.iou:.2f}); colours moved by {inside} "
        f"inside the region, {outside} outside (CIE76)"
    )


def is_kept(setup: Setup) -> bool:
    """Whether the last stage's mesh is one that came ready."""
    field = setup.fields[0]
    return isinstance(field, Explicit) and field.extract()[1] is None


class Recoloured:
    """A field, volume or mesh, with other colours: ``colour`` of the points and of the field's surface there."""

    def __init__(self, field: TrainableField, colour: Callable[[Tensor, Surface], Tensor]) -> None:
        self.field, self.colour = field, colour

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """The field's."""
        return self.field.density(x)

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        """The field's density, the other colour."""
        found = self.field.surface(x)
        return Surface(found.density, self.colour(x, found))

    def extract(self) -> tuple[Mesh, SignedGrid | None]:
        """The mesh's."""
        assert isinstance(self.field, Explicit)
        return self.field.extract()


def painted(shape: TrainableField, colours: TrainableField) -> Recoloured:
    """The shape of one field in the colours of another: where a mesh is kept, its field's densities mean nothing."""
    return Recoloured(shape, lambda x, _: colours.surface(x).colour)


def tinted(field: TrainableField, region: Edited) -> Recoloured:
    """A field with what is inside a region tinted."""

    def colour(x: Tensor, found: Surface) -> Tensor:
        return torch.lerp(found.colour, torch.tensor(TINT, device=x.device), 0.6 * region.share(x)[:, None])

    return Recoloured(field, colour)


@torch.no_grad()
def region_pictures(setup: Setup, source: Source, region: Edited, size: int = 128) -> Float[Tensor, "b h w 3"]:
    """The source from eight sides; what may change is tinted."""
    camera, marked = around(setup, size), tinted(source.fields[0], region)
    white = torch.ones(1, 1, 1, 3, device=setup.device)
    views = [source.renderers[0](marked, camera[i : i + 1]).image.over(white).cpu() for i in range(len(camera))]
    return torch.cat(views)
