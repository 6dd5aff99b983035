"""``mesh=path.glb``: a mesh of the user's takes the place of the coarse stage."""

from dataclasses import replace
from pathlib import Path

import torch
from hydra.utils import get_method
from jaxtyping import Int
from omegaconf import DictConfig
from torch import Tensor

from dream3d.contracts import at_step
from dream3d.errors import UserError
from dream3d.fields.mesh_field import keeps_mesh
from dream3d.geometry.signed_distance import inside
from dream3d.mesh.paint import paint
from dream3d.mesh.reading import load_textured
from dream3d.optimize import Setup
from dream3d.seeding import generator
from dream3d.types import Mesh

FIT = 0.92
"""Radius of the ball that the mesh is fitted into; coarse fields end there as well."""


def given_mesh(settings: DictConfig) -> Mesh | None:
    """The mesh to start from; None where the run starts from nothing.

    Raises:
        UserError: a file that is no mesh, or a mesh without an inside that is to be moved.
    """
    if settings.mesh_file is None:
        return None
    mesh = read_mesh(Path(settings.mesh_file).expanduser(), settings.mesh.get("up", "y"), settings.mesh.get("front"))
    if keeps_mesh(get_method(settings.refine.field._target_)):
        return mesh
    mesh = replace(mesh, faces=outwards(mesh))
    axis = (torch.arange(48) + 0.5) / 24 - 1
    if not inside(mesh, torch.cartesian_prod(axis, axis, axis)).any():
        raise UserError(
            f"mesh: got {settings.mesh_file}, {len(mesh.faces)} triangles that enclose nothing, expected an "
            "object with an inside; fill its holes or give it a thickness"
        )
    return mesh


def read_mesh(file: Path, up: str = "y", front: str | None = None) -> Mesh:
    """A mesh file fitted into the ball of radius ``FIT``; its axes are as in ``load_mesh`` (auto: None)."""
    mesh = load_textured(file, up=up, front=None if front == "auto" else front)
    assert mesh.placement is not None
    placement = torch.cat((mesh.placement[:3], mesh.placement[3:] / FIT))
    return replace(mesh, vertices=FIT * mesh.vertices, placement=placement)


def outwards(mesh: Mesh) -> Int[Tensor, "f 3"]:
    """The faces, all turned over where they enclose a negative volume."""
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum()
    return mesh.faces if volume >= 0 else mesh.faces.flip(1)


def carry(setup: Setup, mesh: Mesh) -> float:
    """Paint the mesh's colours into every field. Returns the largest root mean squared error."""
    errors = []
    for i, field in enumerate(setup.fields):
        at_step(field, 2**31)  # every level of detail, as it will be in the second stage
        errors.append(paint(field, mesh, generator(setup.seed, i, "carry")))
    return max(errors)
