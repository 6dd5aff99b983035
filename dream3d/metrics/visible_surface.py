"""Similarity of a mesh and a reference where both are visible: distance, normals, colour.

Both are seen by rays from the same ring of cameras; hidden surfaces (a sofa's springs, an engine) do not count. Whole
pictures with their empty background flatter every result: colour is compared only where both are opaque.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from torch import Tensor

from dream3d.geometry.normals import face_normals
from dream3d.geometry.ray_casting import Scene
from dream3d.types import Mesh, Rays


@dataclass(frozen=True)
class Match:
    """``f_score`` and ``normals`` in [0, 1] (1 best), ``rgb`` in dB."""

    f_score: float
    normals: float
    rgb: float


@dataclass(frozen=True)
class Seen:
    """First hits of r rays: where, with which normal (unit) and colour (sRGB, albedo); rays that miss are False."""

    hit: Bool[Tensor, " r"]
    point: Float[Tensor, "r 3"]
    normal: Float[Tensor, "r 3"]
    colour: Float[Tensor, "r 3"]


def visible_match(mesh: Mesh, reference: Mesh, rays: Rays, threshold: float = 0.01) -> Match:
    """Compare the visible surfaces of two meshes with vertex colours.

    ``f_score``: harmonic mean of the fractions of visible points within ``threshold`` x the reference's diameter (of
    its bounding sphere) of the other's (arXiv 1905.03678). ``normals``: mean ``|n . n'|`` of nearest points, both ways
    (arXiv 1812.03828). ``rgb``: PSNR of albedo over the rays that hit both.

    Raises:
        ValueError: the rays see nothing of one of them.
    """
    ours, theirs = seen(mesh, rays), seen(reference, rays)
    if not bool(ours.hit.any() and theirs.hit.any()):
        raise ValueError("visible match: got rays that see nothing of one mesh; point the cameras at both")
    radius = (reference.vertices - reference.vertices.mean(0)).norm(dim=1).max().item()
    there, there_cos = nearest(ours, theirs, 2 * radius * threshold)
    back, back_cos = nearest(theirs, ours, 2 * radius * threshold)
    both = ours.hit & theirs.hit
    error = (ours.colour[both] - theirs.colour[both]).square().mean()
    f_score = 2 * there * back / (there + back) if there + back else 0.0
    return Match(f_score, (there_cos + back_cos) / 2, float(-10 * torch.log10(error.clamp(min=1e-10))))


def nearest(a: Seen, b: Seen, within: float) -> tuple[float, float]:
    """Of a's visible points: the fraction within a distance of b's, and the mean |cosine| to the nearest's normal."""
    distance, index = KDTree(b.point[b.hit].numpy()).query(a.point[a.hit].numpy())
    cosine = (a.normal[a.hit] * b.normal[b.hit][torch.as_tensor(index)]).sum(-1).abs()
    return float((torch.as_tensor(distance) <= within).float().mean()), float(cosine.mean())


def seen(mesh: Mesh, rays: Rays) -> Seen:
    """First hits of the rays, flattened. Raises ValueError for a mesh without vertex colours."""
    if mesh.colours is None:
        raise ValueError("visible match: got a mesh without vertex colours; sample its texture first")
    hits = Scene(mesh.vertices, mesh.faces).cast(rays)
    hit, face = hits.face >= 0, hits.face.clamp(min=0)
    corners = mesh.faces[face]
    colour = (mesh.colours[corners] * hits.barycentric[..., None]).sum(1)
    point = (mesh.vertices[corners] * hits.barycentric[..., None]).sum(1)
    return Seen(hit, point, face_normals(mesh.vertices, mesh.faces)[face], colour)
