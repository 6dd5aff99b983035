"""A mesh to pictures, differentiable in vertices and attributes, on any machine.

Visibility is asked of Embree, off the CPU of a z-buffer (no gradient). What a pixel sees is then
recomputed in torch: barycentric coordinates from the intersection of its ray with the triangle carry the
gradient of the inside, blending at the outline (``silhouette.py``) that of the border. The idea is
nvdiffrast's (arXiv 2011.03277).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.cameras import pixel_rays
from dream3d.geometry.normals import smooth_normals
from dream3d.geometry.ray_casting import Hits, Scene
from dream3d.render.silhouette import blend, outline
from dream3d.render.z_buffer import first_hits
from dream3d.types import Camera, Image, Mesh, Rays, Render

GRAZING = 1e-3
"""Triangles seen at a smaller sine than this pass no gradient through their inside: it grows without bound
there, and they cover next to nothing."""


@dataclass(frozen=True)
class Fragments:
    """What n pixels that hit the mesh see: flat ``pixel`` number in b h w, ``view``, ``face``, weights of its
    corners, ``point`` in the world and ``distance`` along the ray; the last three with gradient."""

    pixel: Int[Tensor, " n"]
    view: Int[Tensor, " n"]
    face: Int[Tensor, " n"]
    barycentric: Float[Tensor, "n 3"]
    distance: Float[Tensor, " n"]
    point: Float[Tensor, "n 3"]


def intersect(
    origin: Float[Tensor, "n 3"], direction: Float[Tensor, "n 3"], corners: Float[Tensor, "n 3 3"]
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Barycentric coordinates and distance of rays with the planes of triangles (Moeller and Trumbore 1997).

    Grazing triangles (see ``GRAZING``) are held fixed.
    """
    a, b, c = corners.unbind(1)
    with torch.no_grad():
        normal = torch.linalg.cross(b - a, c - a)
        grazing = (normal * direction).sum(-1).abs() < GRAZING * normal.norm(dim=-1)
    a, b, c = (torch.where(grazing[:, None], p.detach(), p) for p in (a, b, c))
    ab, ac, towards = b - a, c - a, origin - a
    p = torch.linalg.cross(direction, ac)
    q = torch.linalg.cross(towards, ab)
    det = (ab * p).sum(-1)
    det = torch.where(det.abs() < 1e-20, 1e-20, det)
    u, v = (towards * p).sum(-1) / det, (direction * q).sum(-1) / det
    return torch.stack((1 - u - v, u, v), dim=-1), (ac * q).sum(-1) / det


def fragments(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"], rays: Rays, hits: Hits) -> Fragments:
    """The fragments at the first hits of all rays, with gradient to the vertices."""
    found = hits.face.to(vertices.device)
    pixel = (found >= 0).nonzero().squeeze(1)
    face = found[pixel]
    origin, direction = rays.origin.reshape(-1, 3)[pixel], rays.direction.reshape(-1, 3)[pixel]
    barycentric, distance = intersect(origin, direction, vertices[faces[face]])
    # Rounding puts a hit on an edge a little outside, and far outside where the triangle is grazed.
    barycentric = F.normalize(barycentric.clamp(0, 1), p=1, dim=-1)
    known = hits.distance.to(distance)[pixel]
    distance = torch.where((distance - known).abs() < 1e-2 * known, distance, known)
    per_view = rays.direction.shape[1] * rays.direction.shape[2]
    view = pixel.div(per_view, rounding_mode="floor")
    return Fragments(pixel, view, face, barycentric, distance, origin + distance[:, None] * direction)


def interpolate(attributes: Float[Tensor, "v k"], faces: Int[Tensor, "f 3"], seen: Fragments) -> Float[Tensor, "n k"]:
    """Vertex attributes interpolated barycentrically."""
    return (attributes[faces[seen.face]] * seen.barycentric[..., None]).sum(1)


def casts(device: torch.device) -> bool:
    """Whether Embree computes visibility. It runs on the CPU; other devices use a z-buffer and need no transfer."""
    return device.type == "cpu"


def rasterise(
    mesh: Mesh,
    camera: Camera,
    colour: Callable[[Fragments, Float[Tensor, "n 3"]], Float[Tensor, "n c"]],
    *,
    supersample: int = 1,
    antialias: bool = True,
) -> Render:
    """Render a mesh: premultiplied colour, alpha, depth (ray distance) and smooth normals.

    ``colour`` is asked for what fragments with unit normals look like. Every pixel is the mean of
    ``supersample``^2 ones, each antialiased at the outline unless ``antialias`` is off.

    Raises:
        ValueError: a mesh without faces, or ``supersample`` < 1.
    """
    if supersample < 1:
        raise ValueError(f"render.supersample: got {supersample}, expected at least 1")
    vertices, faces = mesh.vertices, mesh.faces
    fine = camera.resized(camera.height * supersample, camera.width * supersample)
    rays, scene = pixel_rays(fine), Scene(vertices, faces) if casts(vertices.device) else None
    hits = first_hits(vertices, faces, fine) if scene is None else scene.cast(rays)
    seen = fragments(vertices, faces, rays, hits)
    normal = F.normalize(interpolate(smooth_normals(vertices, faces), faces, seen), dim=-1, eps=1e-6)
    value = colour(seen, normal)
    parts = (value, torch.ones_like(normal[:, :1]), seen.distance[:, None], normal)
    flat = value.new_zeros(rays.direction[..., 0].numel(), value.shape[1] + 5)
    flat = flat.index_copy(0, seen.pixel, torch.cat(parts, dim=-1))
    if antialias:
        distance = torch.full_like(flat[:, 0], torch.inf).detach()
        distance[seen.pixel] = seen.distance.detach()
        flat = blend(flat, outline(vertices, faces, fine, scene, distance))
    image = flat.view(len(camera), camera.height, supersample, camera.width, supersample, -1).mean(dim=(2, 4))
    c = value.shape[1]
    return Render(
        image=Image(image[..., :c], image[..., c : c + 1]),
        depth=image[..., c + 1 : c + 2],
        normal=image[..., c + 2 :],
        rays=pixel_rays(camera),
        mesh=mesh,
    )
