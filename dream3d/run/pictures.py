"""Pictures of a finished mesh: the turntable, and the page to turn it in a browser."""

from pathlib import Path

import torch

from dream3d.cameras import turntable
from dream3d.mesh.export import export
from dream3d.render.reference import Reference
from dream3d.report.turntable import write_gif, write_mp4
from dream3d.report.viewer import write_viewer
from dream3d.run.previews import DISTANCE, ELEVATION, FOV_Y
from dream3d.types import Mesh

BEFORE = "coarse.glb"
"""The mesh that refinement starts from, with vertex colours."""


def keep_before(folder: Path, mesh: Mesh) -> Mesh:
    """Write the mesh that refinement starts from, for the viewer's slider; the mesh itself."""
    export(mesh, folder, ["glb"], name=Path(BEFORE).stem)
    return mesh


def write_pictures(folder: Path, mesh: Mesh, prompt: str, frames: int = 60, size: int = 320) -> None:
    """turntable.mp4, turntable.gif (with 0 frames neither) and viewer.html of the exported mesh."""
    if frames:
        write_turntable(folder, mesh, frames, size)
    if (folder / "mesh.glb").exists():
        write_viewer(folder / "mesh.glb", folder / "viewer.html", prompt, folder / BEFORE)


def write_turntable(folder: Path, mesh: Mesh, frames: int, size: int) -> None:
    """The exported mesh once round, every frame as a video and every other one as a GIF."""
    reference = Reference(mesh)
    camera = turntable(frames, ELEVATION, DISTANCE, FOV_Y, size)
    white = torch.ones(1, 1, 1, 3)
    pictures = torch.cat([
        reference.picture(camera[i : i + 1], supersample=2, ambient=0.85).over(white) for i in range(frames)
    ])  # fmt: skip
    write_mp4(pictures, folder / "turntable.mp4")
    write_gif(pictures[::2], folder / "turntable.gif", fps=12)
