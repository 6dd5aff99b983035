"""The colours of a picture on a known surface, on the sides that it shows and on those that it does not.

A vertex that is seen has the picture's colour there. One whose mirror image (left and right) is seen has that one's.
Any other has the mean colour of what is seen where the known surface's own colour is like its own: a corgi whose
orange is grey in the picture is grey behind as well.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from torch import Tensor

from dream3d.geometry.normals import vertex_normals
from dream3d.geometry.ray_casting import Scene
from dream3d.priors.mini.latents import PaintedMesh
from dream3d.priors.mini.painting import AMBIENT, LIGHT
from dream3d.types import Camera, Rays

GRAZING = 0.2  # cosine between normal and view below which a vertex is not told by the picture
ALIKE = 0.08  # of colours, the standard deviation of the kernel
MIRRORED = 0.03  # how far from a mirror image a seen vertex may be
PAIRS = 1500  # of known and seen colours that are kept


def coloured_as(surface: PaintedMesh, rgba: Float[Tensor, "h w 4"], camera: Camera, lit: bool = True) -> PaintedMesh:
    """The surface in the colours of the picture (premultiplied, from that camera); it no longer takes paint.

    ``lit``: the light of the prior's own pictures is divided out where the picture shows it.
    """
    seen, colour = colours_seen(surface, rgba, camera)
    if lit:
        normals = vertex_normals(surface.vertices, surface.faces)
        colour = (colour / (AMBIENT + (1 - AMBIENT) * (normals @ LIGHT)).clamp(min=0.3)[:, None]).clamp(max=1)
    if int(seen.sum()) < 8:
        return surface
    albedo = palette(surface.albedo, surface.albedo[seen], colour[seen])
    near, which = KDTree(surface.vertices[seen].numpy()).query((surface.vertices * torch.tensor([-1.0, 1, 1])).numpy())
    mirrored = torch.from_numpy(near < MIRRORED)[:, None]
    albedo = torch.where(mirrored, colour[seen][torch.from_numpy(which)], albedo)
    albedo = torch.where(seen[:, None], colour, albedo)
    return replace(surface, albedo=albedo, paint=torch.zeros_like(surface.paint))


def colours_seen(
    surface: PaintedMesh, rgba: Float[Tensor, "h w 4"], camera: Camera
) -> tuple[Bool[Tensor, " v"], Float[Tensor, "v 3"]]:
    """Which vertices the picture shows, and its straight colour there (0 elsewhere)."""
    c2w, eye = camera.c2w[0], camera.c2w[0, :3, 3]
    local = (surface.vertices - eye) @ c2w[:3, :3]
    at = local[:, :2] / -local[:, 2:] / torch.tan(camera.fov_y[0] / 2) * torch.tensor([1.0, -1.0])
    read = F.grid_sample(rgba.permute(2, 0, 1)[None], at[None, None], align_corners=False)[0, :, 0].T
    way = surface.vertices - eye
    far = way.norm(dim=-1)
    direction = way / far[:, None]
    hits = Scene(surface.vertices, surface.faces).cast(Rays(eye.expand(1, 1, len(way), 3), direction[None, None]))
    facing = -(vertex_normals(surface.vertices, surface.faces) * direction).sum(-1)
    seen = (hits.face >= 0) & ((hits.distance - far).abs() < 0.02) & (facing > GRAZING) & (read[:, 3] > 0.9)
    return seen, torch.where(seen[:, None], read[:, :3] / read[:, 3:].clamp(min=0.5), torch.zeros(1, 3))


def palette(
    colours: Float[Tensor, "v 3"], known: Float[Tensor, "n 3"], wanted: Float[Tensor, "n 3"]
) -> Float[Tensor, "v 3"]:
    """Each colour by what became of known ones like it: a Gaussian kernel's mean of the wanted ones, and far from all
    of them the colour itself, moved as they are on average."""
    every = max(1, len(known) // PAIRS)
    known, wanted = known[::every], wanted[::every]
    moved = (colours + (wanted - known).mean(0)).clamp(0, 1)
    parts = []
    for part, other in zip(colours.split(4096), moved.split(4096), strict=True):
        weight = torch.exp(-torch.cdist(part, known).square() / (2 * ALIKE**2))
        total = weight.sum(1, keepdim=True)
        parts.append((weight @ wanted + 0.5 * other) / (total + 0.5))
    return torch.cat(parts)
