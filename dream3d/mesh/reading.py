"""Reads in-the-wild mesh files: every part, with the colours specified by its format."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dream3d.errors import UserError, first
from dream3d.mesh.importing.atlas import Painted, painted
from dream3d.mesh.importing.gltf import read_gltf
from dream3d.mesh.importing.obj import read_obj
from dream3d.mesh.importing.others import read_other
from dream3d.mesh.importing.scene import Part
from dream3d.mesh.importing.tidy import axes, not_finite, tidied, turned
from dream3d.types import Mesh

MOST_FACES = 2_000_000
MOST_BYTES = 2**30
READERS: dict[str, Callable[[Path], Iterable[Part]]] = {
    ".glb": read_gltf, ".gltf": read_gltf, ".obj": read_obj,
    ".ply": read_other, ".stl": read_other, ".off": read_other,
}  # fmt: skip
FRONT = {"y": "z", "z": "-y"}
"""Where the front is, if nothing is said: as in glTF, and as in Blender."""
log = logging.getLogger(__name__)


def load_mesh(file: Path, *, up: str = "y", front: str | None = None) -> Mesh:
    """A mesh file with colours at its vertices, fitted into the unit ball (``placement`` says where it was).

    ``up`` and ``front`` are the file's axes (x, y, z, -x, -y, -z) that become +y and +z.

    Raises:
        UserError: what is wrong with the file, and what to do.
    """
    parts = read_parts(file, up, front)
    return fitted(Painted(parts, None, None), file)


def load_textured(file: Path, *, up: str = "y", front: str | None = None) -> Mesh:
    """``load_mesh``, with a texture where vertex colours alone would not show what the file's parts show; and
    with the file's uv, where they are good for a texture, whether there is one or not."""
    try:
        return fitted(painted(read_parts(file, up, front)), file)
    except (ValueError, MemoryError) as error:
        raise unreadable(file, error) from error


def load_folder(folder: Path, load: Callable[[Path], Mesh] = load_mesh) -> dict[Path, Mesh]:
    """Every mesh file in a folder and below it, in the order of names; unreadable ones are skipped with a warning.

    Raises:
        UserError: no file, or not one that can be read.
    """
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in READERS)
    meshes = {}
    for file in files:
        try:
            meshes[file] = load(file)
        except UserError as error:
            log.warning("left out: %s", error)
    if not meshes:
        got = f"{len(files)} mesh files, none of them readable" if files else "no mesh file"
        raise UserError(f"{folder}: got {got}, expected some of {', '.join(READERS)}; give a folder of 3D models")
    return meshes


def read_parts(file: Path, up: str = "y", front: str | None = None) -> list[Part]:
    """The non-empty parts of a file, y up and front towards +z.

    Raises:
        UserError: as ``load_mesh``.
    """
    size = file.stat().st_size if file.is_file() else 0
    if size > MOST_BYTES:
        raise UserError(f"{file}: got {size >> 20} MiB, expected at most {MOST_BYTES >> 20}; decimate the mesh")
    if file.suffix.lower() not in READERS:
        raise UserError(f"{file}: got '{file.suffix}', expected one of {', '.join(READERS)}; convert the mesh")
    try:
        rotation = axes(up, front or FRONT.get(up, "z"))
    except ValueError as error:
        raise UserError(f"mesh.up, mesh.front: {error}") from error
    parts, faces = [], 0
    try:
        for part in READERS[file.suffix.lower()](file):
            faces += len(part.faces)
            if faces > MOST_FACES:
                raise too_many(file, faces)
            parts.append(tidied(part))
    except UserError:
        raise
    except Exception as error:  # a damaged file makes a reader raise anything
        raise unreadable(file, error) from error
    kept = [part for part in parts if len(part.faces)]
    if not kept:
        reason = "no triangles that alpha leaves" if faces else "no triangles (points or lines, or nothing)"
        raise UserError(f"{file}: got {reason}, expected a mesh; export it with faces")
    if bad := not_finite(kept):
        raise UserError(f"{file}: got {bad} vertices that are NaN or infinite, expected finite ones; export it again")
    return [turned(part, rotation) for part in kept]


def too_many(file: Path, faces: int) -> UserError:
    """The error for a mesh with too many faces."""
    return UserError(f"{file}: got {faces} triangles or more, expected at most {MOST_FACES}; decimate the mesh first")


def unreadable(file: Path, error: BaseException) -> UserError:
    """A reader's error as a UserError."""
    reason = first(error) if isinstance(error, Exception) else type(error).__name__
    if isinstance(error, KeyError):
        reason = f"{reason} is missing"
    return UserError(f"{file}: got a file that cannot be read ({reason}); expected a whole GLB, OBJ or PLY")


def fitted(painted: Painted, file: Path) -> Mesh:
    """All parts in one mesh, centred and scaled in double precision before anything is rounded to single."""
    parts = painted.parts
    vertices = np.concatenate([part.vertices for part in parts])
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    centre = (vertices.min(0) + vertices.max(0)) / 2
    vertices = vertices - centre
    size = float(np.linalg.norm(vertices, axis=1).max())
    if not 0 < size < float("inf"):
        raise UserError(f"{file}: got vertices at one place or too far apart, expected a mesh; export it again")
    mesh = Mesh(
        torch.from_numpy(vertices / size).float(),
        torch.from_numpy(faces),
        torch.from_numpy(np.concatenate([part.at_vertices() for part in parts])).float(),
        placement=torch.from_numpy(np.append(centre, size)).float(),
    )
    if painted.uv is not None:
        mesh = replace(mesh, uv=torch.from_numpy(np.concatenate(painted.uv)).float())
    if painted.texture is not None:
        mesh = replace(mesh, texture=torch.from_numpy(painted.texture))
    return mesh
