"""``init=prior`` or ``init=path.glb``: coarse fields that start from a shape instead of a soft blob."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from omegaconf import DictConfig
from torch import Generator, Tensor

from dream3d.contracts import TrainableField
from dream3d.editing.cut import LENGTH
from dream3d.editing.region import lattice
from dream3d.errors import UserError
from dream3d.geometry.normals import vertex_normals
from dream3d.geometry.signed_distance import signed_distance
from dream3d.mesh.delight import Lit, shade
from dream3d.mesh.fitting import fit
from dream3d.mesh.paint import coloured_points
from dream3d.optimize import Setup
from dream3d.run.initial_mesh import read_mesh
from dream3d.seeding import generator
from dream3d.types import Mesh

NEAR = 45_000  # points near the surface at which the field is compared with the shape
SPREAD = 0.04  # standard deviation of their distance from the surface
ANYWHERE = 400_000  # points uniform in the cube, of which those that are surely inside or outside count as well
VERTICES = 33  # a side of the lattice that tells which are
EDGE = 0.008  # distance over which the target opacity rises from 1/2 to 3/4


@runtime_checkable
class KnowsShapes(Protocol):
    """A prior that has a 3D shape for a prompt."""

    def shape_of(self, prompt: str) -> Mesh | None:
        """A closed mesh in the unit ball with vertex albedo; None if it has none."""
        ...


def initial_shape(init: str | None, prompt: str, prior: object) -> Mesh | None:
    """The mesh to start from, lit like the prior's images; None if the run does not start from one.

    Raises:
        UserError: the prior has no shape for the prompt, or the file is not a mesh.
    """
    if init is None:
        return None
    if init == "prior":
        mesh = prior.shape_of(prompt) if isinstance(prior, KnowsShapes) else None
        if mesh is None:
            raise UserError(
                f"init: got prior, but this prior has no shape for '{prompt}'; use init=null or init=<mesh file>"
            )
    else:
        mesh = read_mesh(Path(init).expanduser())
    light = prior.light if isinstance(prior, Lit) else None
    if light is None or mesh.colours is None:
        return mesh
    return replace(mesh, colours=mesh.colours * shade(vertex_normals(mesh.vertices, mesh.faces), light)[:, None])


def begin_from(setup: Setup, settings: DictConfig) -> list[str]:
    """Fit every field to the shape of ``init=``, if any. Returns messages for the user."""
    mesh = initial_shape(settings.init, settings.prompt, setup.prior)
    if mesh is None:
        return []
    error = max(carry(field, mesh, generator(setup.seed, i, "init")) for i, field in enumerate(setup.fields))
    return [f"started from {settings.init}: opacity fitted with an error of {error:.3f}"]


def carry(
    field: TrainableField, mesh: Mesh, generator: Generator, *, steps: int = 150, batch: int = 8192, lr: float = 0.02
) -> float:
    """Fit density and colour with Adam. The target opacity of a short ray segment is ``sigmoid(-distance / EDGE)``;
    colours are those of the nearest surface point. Half of a batch lies near the surface, half anywhere else: what is
    empty needs as many points, or a field is full of haze where it was never asked. Returns the root mean square error
    of opacity in the last steps."""
    near, distance, colour = near_surface(mesh, generator)
    elsewhere, known = away_from_surface(mesh, generator)
    painted = distance.abs() < SPREAD

    def errors_of(device: torch.device) -> tuple[Tensor, Tensor]:
        a, b = (torch.randint(len(x), (batch // 2,), generator=generator) for x in (near, elsewhere))
        wanted = torch.sigmoid(-torch.cat((distance[a], known[b])) / EDGE).to(device)
        surface = field.surface(torch.cat((near[a], elsewhere[b])).to(device))
        opacity = F.mse_loss(-torch.expm1(-surface.density * LENGTH), wanted)
        wrong = (surface.colour[: len(a)] - colour[a].to(device)).square() * painted[a].to(device)[:, None]
        return opacity + wrong.mean(), opacity

    return fit(field, errors_of, steps=steps, lr=lr)


def near_surface(
    mesh: Mesh, generator: Generator
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"], Float[Tensor, "n 3"]]:
    """Points scattered about the surface, their signed distances, and its colours there."""
    x, colour, normal = coloured_points(mesh, NEAR, generator)
    x = x + SPREAD * torch.randn(len(x), 1, generator=generator) * normal
    return x, signed_distance(mesh, x, generator), colour


def away_from_surface(mesh: Mesh, generator: Generator) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Points uniform in [-1, 1]^3 but for a skin about the surface, and their signed distances, known to half a cell of
    a lattice: a point whose vertex is further from the surface than from it is on the vertex's side."""
    known = signed_distance(mesh, lattice(VERTICES).reshape(-1, 3), generator).view((VERTICES,) * 3)
    x = 2 * torch.rand(ANYWHERE, 3, generator=generator) - 1
    i, j, k = ((x + 1) / 2 * (VERTICES - 1)).round().long().unbind(1)
    distance = known[k, j, i]
    sure = distance.abs() > 3**0.5 / (VERTICES - 1) + 4 * EDGE
    return x[sure], distance[sure]
