"""``mesh=path.glb``, or ``edit=path.glb`` with ``refine=``: the user's mesh replaces the coarse stage."""

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
from dream3d.run.config import given_file
from dream3d.seeding import generator
from dream3d.types import Mesh

FIT = 0.92
"""Radius of the ball into which the mesh is scaled; coarse fields end there as well."""


def given_mesh(settings: DictConfig) -> Mesh | None:
    """The mesh to start from; None if the run starts from scratch.

    Raises:
        UserError: the file is not a mesh, or its geometry is to be optimised but encloses no volume.
    """
    file = given_file(settings)
    if file is None:
        return None
    mesh = read_mesh(file, settings.mesh.get("up", "y"), settings.mesh.get("front"))
    if keeps_mesh(get_method(settings.refine.field._target_)):
        return mesh
    mesh = replace(mesh, faces=outwards(mesh))
    axis = (torch.arange(48) + 0.5) / 24 - 1
    if not inside(mesh, torch.cartesian_prod(axis, axis, axis)).any():
        raise UserError(
            f"mesh: got {file}, {len(mesh.faces)} triangles that enclose no volume, expected an "
            "object with an inside; fill its holes or thicken it"
        )
    return mesh


def read_mesh(file: Path, up: str = "y", front: str | None = None) -> Mesh:
    """A mesh file scaled into the ball of radius ``FIT``; axes as in ``load_mesh`` (auto: None)."""
    mesh = load_textured(file, up=up, front=None if front == "auto" else front)
    assert mesh.placement is not None
    placement = torch.cat((mesh.placement[:3], mesh.placement[3:] / FIT))
    return replace(mesh, vertices=FIT * mesh.vertices, placement=placement)


def outwards(mesh: Mesh) -> Int[Tensor, "f 3"]:
    """The faces, all flipped if they enclose a negative volume."""
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum()
    return mesh.faces if volume >= 0 else mesh.faces.flip(1)


def carry(setup: Setup, mesh: Mesh) -> float:
    """Fit the mesh's colours in every field. Returns the largest root mean square error."""
    errors = []
    for i, field in enumerate(setup.fields):
        at_step(field, 2**31)  # all levels of detail, as in the second stage
        errors.append(paint(field, mesh, generator(setup.seed, i, "carry")))
    return max(errors)
