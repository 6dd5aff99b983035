"""What is written of an edit besides its mesh: before and after side by side, the region, and figures."""

import dataclasses
import json
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.editing.change import Change, change
from dream3d.editing.views import region_shown
from dream3d.fields.edited import Edited, as_field
from dream3d.fields.latents import in_rgb
from dream3d.mesh.build import Build
from dream3d.mesh.extract import find_isovalue, sample
from dream3d.optimize import Setup
from dream3d.report.files import replacing
from dream3d.report.pictures import preview
from dream3d.report.turntable import write_gif, write_mp4
from dream3d.run.pictures import keep_before, turntable_frames
from dream3d.run.previews import around
from dream3d.types import Mesh

TINT = (0.9, 0.1, 0.5)  # of what may change, in region.png
GRID = 64  # lattice vertices a side that figures are taken at


def edited_field(setup: Setup) -> Edited | None:
    """The first field of an edit's volume stage; None where nothing is edited."""
    found = [module for module in setup.fields[0].modules() if isinstance(module, Edited)]
    return found[0] if setup.source is not None and found else None


def report_edit(setup: Setup, build_mesh: Build, after: Mesh, folder: Path, frames: int) -> list[str]:
    """The source's mesh, which the viewer's slider shows as before; before_after.mp4 and .gif (not for 0 frames);
    region.png; edit.json. Returns the figures in words; nothing where nothing is edited."""
    field = edited_field(setup)
    if field is None:
        return []
    source = as_field(field.source)
    with in_rgb(field):
        before = keep_before(folder, build_mesh.geometry(source))
        isovalue = find_isovalue(sample(source, resolution=GRID, chunk=65536), "auto")
        found = change(field, source, field.region.view((field.vertices,) * 3), isovalue, GRID)
    if frames:
        pictures = torch.cat([turntable_frames(mesh, frames, size=240) for mesh in (before, after)], dim=2)
        write_mp4(pictures, folder / "before_after.mp4")
        write_gif(pictures[::2], folder / "before_after.gif", fps=12, side=480)
    preview(region_pictures(setup, field), folder / "region.png")
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


@torch.no_grad()
def region_pictures(setup: Setup, field: Edited, size: int = 128) -> Float[Tensor, "b h w 3"]:
    """The source from eight sides; what may change is tinted."""
    assert setup.source is not None
    source, renderer, camera = setup.source.fields[0], setup.source.renderers[0], around(setup, size)
    pictures = []
    with in_rgb(field):
        for i in range(len(camera)):
            render = renderer(source, camera[i : i + 1])
            shown = 0.6 * region_shown(render, field)[..., None]
            tinted = render.image.over(torch.ones(1, 1, 1, 3, device=shown.device))
            pictures.append((torch.lerp(tinted, torch.tensor(TINT, device=shown.device), shown)).cpu())
    return torch.cat(pictures)
