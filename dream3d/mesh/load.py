"""Reading mesh files of others."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from trimesh.visual import TextureVisuals

from dream3d.errors import UserError
from dream3d.types import Mesh


def load_mesh(file: Path) -> Mesh:
    """A mesh file with its colours (texture sampled at the vertices), fitted into the unit ball."""
    try:
        loaded = trimesh.load(file, force="mesh")
    except Exception as error:  # trimesh's readers raise anything on a damaged file
        raise UserError(
            f"{file}: got a file that cannot be read ({error}); expected a whole GLB, OBJ or PLY"
        ) from error
    if not isinstance(loaded, trimesh.Trimesh) or len(loaded.faces) == 0:
        raise UserError(f"{file}: got no triangles, expected a mesh")
    visual: Any = loaded.visual
    colours = visual.to_color() if isinstance(visual, TextureVisuals) else visual
    rgb = torch.tensor(np.asarray(colours.vertex_colors)[:, :3] / 255.0, dtype=torch.float32)
    vertices = torch.tensor(np.asarray(loaded.vertices), dtype=torch.float32)
    vertices = vertices - (vertices.amin(0) + vertices.amax(0)) / 2
    vertices = vertices / vertices.norm(dim=1).max()
    return Mesh(vertices, torch.tensor(np.asarray(loaded.faces), dtype=torch.int64), rgb)
