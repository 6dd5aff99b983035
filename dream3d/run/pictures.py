"""Images of the finished mesh: the 360-degree turntable and the interactive viewer."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.cameras import turntable
from dream3d.mesh.export import export
from dream3d.render.reference import Reference
from dream3d.report.turntable import write_gif, write_mp4
from dream3d.report.viewer import write_viewer
from dream3d.run.previews import DISTANCE, ELEVATION, FOV_Y
from dream3d.types import Camera, Image, Mesh

BEFORE = "coarse.glb"
"""File name of the mesh before refinement, with vertex colours."""


def keep_before(folder: Path, mesh: Mesh) -> Mesh:
    """Write the mesh before refinement, for the viewer's slider, and return it."""
    export(mesh, folder, ["glb"], name=Path(BEFORE).stem)
    return mesh


def write_pictures(folder: Path, mesh: Mesh, prompt: str, frames: int = 60, size: int = 320) -> None:
    """Write turntable.mp4, turntable.gif (neither if there are 0 frames) and viewer.html of the exported mesh."""
    if frames:
        write_turntable(folder, mesh, frames, size)
    if (folder / "mesh.glb").exists():
        write_viewer(folder / "mesh.glb", folder / "viewer.html", prompt, folder / BEFORE)


def mesh_views(mesh: Mesh, camera: Camera) -> Image:
    """The mesh from every camera, one at a time: antialiased, lightly shaded."""
    reference = Reference(mesh)
    views = [reference.picture(camera[i : i + 1], supersample=2, ambient=0.85) for i in range(len(camera))]
    return Image(torch.cat([view.colour for view in views]), torch.cat([view.alpha for view in views]))


def turntable_frames(mesh: Mesh, frames: int, size: int) -> Float[Tensor, "b h w 3"]:
    """The mesh over white from ``frames`` cameras evenly around it, the first from the front."""
    views = mesh_views(mesh, turntable(frames, ELEVATION, DISTANCE, FOV_Y, size))
    return views.over(torch.ones(1, 1, 1, 3))


def write_turntable(folder: Path, mesh: Mesh, frames: int, size: int) -> None:
    """A 360-degree turntable of the exported mesh: all frames as a video, every other one as a GIF."""
    pictures = turntable_frames(mesh, frames, size)
    write_mp4(pictures, folder / "turntable.mp4")
    write_gif(pictures[::2], folder / "turntable.gif", fps=12)
