"""Views around the exported mesh, for the report and for the metrics."""

from pathlib import Path

import numpy as np
import torch
import trimesh
from PIL import Image as Pillow
from trimesh.visual import ColorVisuals, TextureVisuals

from dream3d.cameras import turntable
from dream3d.mesh.importing.others import picture_of
from dream3d.report.files import replacing
from dream3d.report.pictures import to_bytes
from dream3d.run.pictures import mesh_views
from dream3d.run.previews import DISTANCE, ELEVATION, FOV_Y
from dream3d.types import Image, Mesh

VIEWS = 24
"""Every third view gives the eight views, every second the twelve of the Janus score."""


def mesh_file(folder: Path) -> Path | None:
    """The mesh exported by a run, preferably one with a texture."""
    files = (folder / f"mesh.{kind}" for kind in ("glb", "obj", "ply", "stl"))
    return next((file for file in files if file.is_file()), None)


def exported(file: Path) -> Mesh:
    """A mesh file, neither moved nor scaled, with its texture if it has one."""
    loaded = trimesh.load(file, force="mesh", process=False)
    assert isinstance(loaded, trimesh.Trimesh)
    vertices = torch.tensor(np.asarray(loaded.vertices), dtype=torch.float32)
    faces = torch.tensor(np.asarray(loaded.faces), dtype=torch.int64)
    picture, visual = picture_of(loaded), loaded.visual
    if picture is None or not isinstance(visual, TextureVisuals) or visual.uv is None:
        # of this very load: another one may merge and reorder vertices
        colours = visual.to_color() if isinstance(visual, TextureVisuals) else visual
        assert isinstance(colours, ColorVisuals)
        rgb = np.asarray(colours.vertex_colors)[:, :3] / 255.0
        return Mesh(vertices, faces, torch.tensor(rgb, dtype=torch.float32))
    texture = torch.tensor(np.asarray(picture.convert("RGB")) / 255.0, dtype=torch.float32)
    uv = torch.tensor(np.asarray(visual.uv), dtype=torch.float32)
    return Mesh(vertices, faces, uv=uv, texture=texture)


def round_views(mesh: Mesh, size: int, views: int = VIEWS) -> Image:
    """``views`` renders evenly around the mesh, the first from the front."""
    return mesh_views(mesh, turntable(views, ELEVATION, DISTANCE, FOV_Y, size))


def write_views(image: Image, path: Path) -> None:
    """Write a lossless strip of RGBA images, colours premultiplied."""
    rgb, alpha = to_bytes(image.colour), to_bytes(image.alpha.expand_as(image.colour))[..., :1]
    strip = torch.cat((rgb, alpha), dim=-1).transpose(0, 1).flatten(1, 2)
    with replacing(path) as partial:
        Pillow.fromarray(strip.contiguous().numpy(), "RGBA").save(partial)


def read_views(path: Path) -> Image:
    """Read the images of ``write_views``."""
    with Pillow.open(path) as picture:
        strip = torch.tensor(np.asarray(picture.convert("RGBA")) / 255.0, dtype=torch.float32)
    frames = strip.unflatten(1, (-1, strip.shape[0])).transpose(0, 1)
    return Image(frames[..., :3], frames[..., 3:])
