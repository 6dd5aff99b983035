"""Fits a field to a mesh's colours: the start of restyling a given mesh."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.contracts import TrainableField
from dream3d.errors import UserError
from dream3d.mesh.fitting import fit
from dream3d.render.reference import texture_at
from dream3d.types import Mesh

DEPTH = 0.03
"""How far above and below the surface its colours are painted: a refined surface moves."""


def coloured_points(
    mesh: Mesh, count: int, generator: Generator
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Points uniform in area, their colours (from the texture where there is one) and unit normals."""
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    across = torch.linalg.cross(b - a, c - a)
    total = across.norm(dim=-1).double().cumsum(0)
    where = torch.rand(count, generator=generator, dtype=torch.float64) * total[-1]
    face = torch.searchsorted(total, where).clamp(max=len(total) - 1)
    # Osada et al. 2002, Eq. 1: uniform in the triangle.
    r, s = torch.rand(2, count, generator=generator)
    weight = torch.stack((1 - r.sqrt(), r.sqrt() * (1 - s), r.sqrt() * s), dim=-1)[..., None]
    corner = mesh.faces[face]
    if mesh.uv is not None and mesh.texture is not None:
        colour = texture_at(mesh.texture, (mesh.uv[corner] * weight).sum(1))
    elif mesh.colours is not None:
        colour = (mesh.colours[corner] * weight).sum(1)
    else:
        raise ValueError("paint: got a mesh with neither vertex colours nor a texture, expected one of them")
    return (mesh.vertices[corner] * weight).sum(1), colour, F.normalize(across[face], dim=-1)


def paint(
    field: TrainableField, mesh: Mesh, generator: Generator, *, steps: int = 250, batch: int = 8192, lr: float = 0.02
) -> float:
    """Fit the field's colours to the mesh's, near its surface, by Adam on the squared error. Returns the last
    steps' root mean squared error.

    Raises:
        UserError: a field whose colours are not RGB.
    """

    def errors_of(device: torch.device) -> tuple[Tensor, Tensor]:
        x, wanted, normal = coloured_points(mesh, batch, generator)
        depth = DEPTH * (2 * torch.rand(batch, 1, generator=generator) - 1)
        got = field.surface((x + depth * normal).to(device)).colour
        if got.shape[1] != 3:
            raise UserError(
                f"field: got {got.shape[1]} colour channels (latents), expected 3 (RGB) to start "
                "from a mesh; use field.decoder.colour_channels=3"
            )
        error = F.mse_loss(got, wanted.to(device))
        return error, error

    return fit(field, errors_of, steps=steps, lr=lr)
