"""Reading mesh files of others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals

from dream3d.errors import UserError
from dream3d.types import Mesh

MOST_FACES = 2_000_000
MOST_BYTES = 2**30


def load_mesh(file: Path) -> Mesh:
    """A mesh file with its colours (texture sampled at the vertices), fitted into the unit ball
    (``placement`` says where it was). Polygons of more corners are cut into triangles.

    Raises:
        UserError: what is wrong with the file, and what to do.
    """
    return _fitted(_read(file), file)


def _fitted(loaded: trimesh.Trimesh, file: Path) -> Mesh:
    """``load_mesh`` of what has been read."""
    visual: Any = loaded.visual
    colours = visual.to_color() if isinstance(visual, TextureVisuals) else visual
    rgb = torch.tensor(np.asarray(colours.vertex_colors)[:, :3] / 255.0, dtype=torch.float32)
    vertices = torch.tensor(np.asarray(loaded.vertices), dtype=torch.float32)
    centre = (vertices.amin(0) + vertices.amax(0)) / 2
    vertices = vertices - centre
    size = float(vertices.norm(dim=1).max())
    if not 0 < size < float("inf"):
        raise UserError(f"{file}: got vertices at one place or not finite, expected a mesh; export it again")
    faces = torch.tensor(np.asarray(loaded.faces), dtype=torch.int64)
    placement = torch.cat((centre, torch.tensor([size])))
    return Mesh(vertices / size, faces, rgb, placement=placement)


def load_textured(file: Path) -> Mesh:
    """``load_mesh``, with uv and texture where the file has them."""
    loaded = _read(file)
    mesh, visual = _fitted(loaded, file), loaded.visual
    if not isinstance(visual, TextureVisuals) or visual.uv is None:
        return mesh
    material: Any = visual.material
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if not isinstance(image, Image.Image):
        return mesh
    texture = torch.tensor(np.asarray(image.convert("RGB")) / 255.0, dtype=torch.float32)
    factor = getattr(material, "baseColorFactor", None)
    if factor is not None:
        texture = texture * torch.tensor(np.asarray(factor)[:3] / 255.0, dtype=torch.float32)
    uv = torch.tensor(np.asarray(visual.uv), dtype=torch.float32)
    return replace(mesh, uv=uv - uv.floor() if bool((uv.abs() > 1.01).any()) else uv, texture=texture)


def _read(file: Path) -> trimesh.Trimesh:
    """What trimesh makes of a file, all of its parts in one."""
    size = file.stat().st_size if file.is_file() else 0
    if size > MOST_BYTES:
        raise UserError(f"{file}: got {size >> 20} MiB, expected at most {MOST_BYTES >> 20}; decimate the mesh")
    try:
        loaded = trimesh.load(file, force="mesh")
    except Exception as error:  # trimesh's readers raise anything on a damaged file
        raise UserError(
            f"{file}: got a file that cannot be read ({error}); expected a whole GLB, OBJ or PLY"
        ) from error
    if not isinstance(loaded, trimesh.Trimesh) or len(loaded.faces) == 0:
        raise UserError(
            f"{file}: got no triangles (points or lines, or nothing), expected a mesh; export it with faces"
        )
    if len(loaded.faces) > MOST_FACES:
        raise UserError(
            f"{file}: got {len(loaded.faces)} triangles, expected at most {MOST_FACES}; decimate the mesh first"
        )
    return loaded
