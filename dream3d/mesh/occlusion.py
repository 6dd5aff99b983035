"""Bakes ambient occlusion: the unoccluded fraction of the hemisphere at each texel."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.mesh.bake import painted
from dream3d.mesh.beneath import Fine
from dream3d.types import Mesh, Rays

OFFSET = 1e-4
"""Of the object's radius: how far above the surface rays begin."""


def ambient_occlusion(
    mesh: Mesh, fine: Fine, size: int, *, rays: int = 64, seed: int = 0
) -> Float[Tensor, "size size 1"]:
    """A = 1/pi int V(x, w) (w . n) dw over the hemisphere, V = 1 where a ray leaves the object. 1: open, 0: hidden.

    Zhukov et al. 1998; glTF 2.0 section 3.9.3 has it in the red channel. Asked on the ``fine`` surface below each
    texel, with ``rays`` directions of density (w . n) / pi, so that A is their mean V. Those below the plane of the
    triangle itself, where a smooth normal leans, are left out: nothing hides a convex body, however coarse.
    """
    offset = OFFSET * float(fine.mesh.vertices.norm(dim=1).max())
    generator = Generator().manual_seed(seed)

    def seen(point: Tensor, normal: Tensor) -> Tensor:
        at = fine.beneath(point, normal)
        origin, (right, up) = at.point + offset * at.facet, frame(at.normal)
        clear, cast = torch.zeros(len(point), 1), torch.zeros(len(point), 1)
        for x, y, z in directions(len(point), rays, generator):
            way = x[:, None] * right + y[:, None] * up + z[:, None] * at.normal
            above = (way * at.facet).sum(-1) > 0
            cast += above[:, None]
            clear += (above & ~fine.scene.blocked(Rays(origin[None, None], way[None, None])))[:, None]
        return torch.where(cast > 0, clear / cast.clamp(min=1), 1.0)

    return painted(mesh, size, 1, seen)


def directions(n: int, count: int, generator: Generator) -> Iterator[Float[Tensor, "3 n"]]:
    """``count`` unit vectors for each of n points, about +z with density z / pi (Malley: a disc, lifted).

    The disc has a rank-1 lattice of the golden ratio, moved at random for each point (Cranley and Patterson 1976):
    any one direction is distributed as it should be, and those of a point are evenly spread.
    """
    shift = torch.rand(2, n, generator=generator)
    for k in range(count):
        share = (k / count + shift[0]) % 1
        angle = 2 * math.pi * ((k * (math.sqrt(5) - 1) / 2 + shift[1]) % 1)
        yield torch.stack((share.sqrt() * angle.cos(), share.sqrt() * angle.sin(), (1 - share).sqrt()))


def frame(normal: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """An orthonormal tangent frame for unit normals, without a branch (Duff et al. 2017)."""
    x, y, z = normal.unbind(1)
    sign = torch.where(z < 0, -1.0, 1.0)
    a = -1 / (sign + z)
    b = x * y * a
    right = torch.stack((1 + sign * x * x * a, sign * b, -sign * x), dim=1)
    return right, torch.stack((b, sign + y * y * a, -y), dim=1)
