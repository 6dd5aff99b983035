"""Ambient occlusion as texels: how much of the sky each point of the surface sees."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dream3d.geometry.ray_casting import Scene
from dream3d.mesh.bake import painted
from dream3d.types import Mesh, Rays

OFFSET = 1e-4
"""Of the object's radius: how far above the surface rays begin."""


def ambient_occlusion(
    mesh: Mesh, size: int, *, rays: int = 64, reach: float = 0.5, seed: int = 0
) -> Float[Tensor, "size size 1"]:
    """A = 1/pi int V(x, w) (w . n) dw over the hemisphere, V = 1 where nothing is nearer than ``reach``.

    Zhukov et al. 1998 (glTF 2.0 section 3.9.3 as the red channel). ``rays`` directions a texel, drawn with the
    density (w . n) / pi, so that A is their mean V. 1: open, 0: hidden. ``reach`` in units of the mesh.
    """
    scene, radius = Scene(mesh.vertices, mesh.faces), float(mesh.vertices.norm(dim=1).max())
    generator = torch.Generator().manual_seed(seed)

    def seen(point: Tensor, normal: Tensor) -> Tensor:
        open_ = torch.zeros(len(point), 1)
        origin = point + OFFSET * radius * normal
        for _ in range(rays):
            hits = scene.cast(Rays(origin[None, None], cosine_weighted(normal, generator)[None, None]))
            open_[:, 0] += ((hits.face < 0) | (hits.distance > reach)).float()
        return open_ / rays

    return painted(mesh, size, 1, seen)


def cosine_weighted(normal: Float[Tensor, "n 3"], generator: torch.Generator) -> Float[Tensor, "n 3"]:
    """A direction for each unit normal, of density (w . n) / pi: the normal plus a point on the unit sphere."""
    z = 2 * torch.rand(len(normal), generator=generator) - 1
    angle = 2 * math.pi * torch.rand(len(normal), generator=generator)
    ring = (1 - z.square()).clamp(min=0).sqrt()
    sphere = torch.stack((ring * angle.cos(), ring * angle.sin(), z), dim=-1)
    return F.normalize(normal + sphere * (1 - 1e-4), dim=-1)
