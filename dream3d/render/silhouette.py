"""Where the outline of a mesh lies between two pixels: antialiasing with an exact gradient.

A pixel shows what its centre sees, which has no derivative with respect to where the outline is. As in
nvdiffrast (arXiv 2011.03277, section 3.5) the two neighbours on both sides of an outline are therefore
blended by the share that the outline cuts off between their centres; the share is differentiable.
There outlines are looked for among the edges of the triangles that pixels see. Here every silhouette
edge is walked along the grid of pixel centres and its visibility is asked of a ray: triangles may be
smaller than a pixel, and no part of an outline is missed.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.geometry.ray_casting import Scene
from dream3d.render.project import directions, project
from dream3d.types import Camera, Rays

BESIDE = 0.02  # pixels beside the edge at which its visibility is asked for
BEHIND = 1e-4  # relative distance by which rounding may put a surface in front of its own edge
SLOPE = 6.0  # pixel footprints in depth that the surface beside an edge may lie behind it


@dataclass(frozen=True)
class Edges:
    """``ends[k]`` are the vertices of edge k; half-edge i (3 a face) lies on ``edge[i]``, across from the
    vertex ``opposite[i]``; ``uses[k]`` faces share edge k, one of them has its third corner at
    ``third[k]``."""

    ends: Int[Tensor, "e 2"]
    edge: Int[Tensor, " h"]
    opposite: Int[Tensor, " h"]
    uses: Int[Tensor, " e"]
    third: Int[Tensor, " e"]


def edges_of(faces: Int[Tensor, "f 3"], vertices: int) -> Edges:
    """The edges of triangles; each once, whichever way its faces run through it."""
    half = torch.cat((faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]])).sort(dim=1).values
    key, edge, uses = torch.unique(half[:, 0] * vertices + half[:, 1], return_inverse=True, return_counts=True)
    ends = torch.stack((key.div(vertices, rounding_mode="floor"), key % vertices), dim=1)
    opposite = faces.t().reshape(-1)
    return Edges(ends, edge, opposite, uses, torch.empty_like(key).scatter_(0, edge, opposite))


@dataclass(frozen=True)
class Blends:
    """Pixel ``target`` takes ``weight`` (0 to a half) of what pixel ``source`` shows; flat numbers."""

    target: Int[Tensor, " n"]
    source: Int[Tensor, " n"]
    weight: Float[Tensor, " n"]


def blend(image: Float[Tensor, "p k"], blends: Blends) -> Float[Tensor, "p k"]:
    """``I_t + sum w (I_s - I_t)``; where the weights of a pixel add to more than 1 they are scaled to 1."""
    total = torch.zeros_like(image[:, 0]).index_add(0, blends.target, blends.weight).clamp(min=1)
    weight = blends.weight / total[blends.target]
    change = weight[:, None] * (image[blends.source] - image[blends.target])
    return image.index_add(0, blends.target, change)


def outline(
    vertices: Float[Tensor, "v 3"],
    faces: Int[Tensor, "f 3"],
    camera: Camera,
    scene: Scene | None,
    distance: Float[Tensor, " p"],
) -> Blends:
    """What to blend where visible silhouette edges pass between pixel centres. ``distance`` is that of the
    first hit of every pixel's centre ray, infinite where there is none; weights carry the gradient.

    Without a ``scene`` an edge counts as visible where neither of its two pixels shows anything nearer."""
    edges = edges_of(faces, len(vertices))
    pixel, depth = project(vertices, camera)
    with torch.no_grad():
        view, edge = silhouettes(pixel, depth, edges).nonzero(as_tuple=True)
        run = (pixel[view, edges.ends[edge, 1]] - pixel[view, edges.ends[edge, 0]]).abs()
        steep = run[:, 1] >= run[:, 0]
    parts = []
    for axis, chosen in ((1, steep), (0, ~steep)):
        found = crossings(pixel, depth, edges, view[chosen], edge[chosen], camera=camera, axis=axis)
        parts.append(visible(found, camera, scene, distance))
    target, source, weight = map(torch.cat, zip(*((p.target, p.source, p.weight) for p in parts), strict=True))
    # Where faces that meet do not share vertices (seams, hard edges) one outline is found twice.
    key, owner, times = torch.unique(target * len(distance) + source, return_inverse=True, return_counts=True)
    mean = torch.zeros_like(times, dtype=weight.dtype).index_add(0, owner, weight) / times
    return Blends(key.div(len(distance), rounding_mode="floor"), key % len(distance), mean)


def silhouettes(pixel: Float[Tensor, "b v 2"], depth: Float[Tensor, "b v"], edges: Edges) -> Tensor:
    """``b e``: do all faces at an edge lie on the same side of it in a view? (A border edge has but one.)"""
    start, end = pixel[:, edges.ends[:, 0]], pixel[:, edges.ends[:, 1]]
    along = (end - start)[:, edges.edge]
    side = cross(along, pixel[:, edges.opposite] - start[:, edges.edge]).sign()
    total = torch.zeros_like(start[..., 0]).index_add_(1, edges.edge, side)
    front = (depth[:, edges.ends] > 1e-3).all(-1)
    return (total.abs() == edges.uses) & front


def cross(a: Tensor, b: Tensor) -> Tensor:
    """``a_x b_y - a_y b_x`` of vectors in the plane."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


@dataclass(frozen=True)
class Crossings:
    """Edges that pass between two neighbouring pixel centres, ``inner`` on the surface's side of the edge.

    ``share`` of the way from inner to outer lies inside (with gradient); ``beside`` are the pixel
    coordinates of a point just outside the edge, ``depth`` is the edge's there."""

    view: Int[Tensor, " n"]
    inner: Int[Tensor, " n"]
    outer: Int[Tensor, " n"]
    share: Float[Tensor, " n"]
    beside: Float[Tensor, "n 2"]
    depth: Float[Tensor, " n"]


def crossings(
    pixel: Float[Tensor, "b v 2"],
    depth: Float[Tensor, "b v"],
    edges: Edges,
    view: Int[Tensor, " k"],
    edge: Int[Tensor, " k"],
    *,
    camera: Camera,
    axis: int,
) -> Crossings:
    """Of chosen edges with all rows of pixel centres (``axis`` 1, steep edges) or all columns (0, flat ones).

    Each edge is taken with one axis only, so that no part of it counts twice."""
    size = (camera.width, camera.height)
    lines, places = size[axis], size[1 - axis]
    a, b = pixel[view, edges.ends[edge, 0]], pixel[view, edges.ends[edge, 1]]
    low = torch.minimum(a[:, axis], b[:, axis]).detach()
    high = torch.maximum(a[:, axis], b[:, axis]).detach()
    first = (low - 0.5).ceil().clamp(0, lines).long()
    count = ((high - 0.5).ceil().clamp(0, lines).long() - first).clamp(min=0)
    k = torch.repeat_interleave(torch.arange(len(edge), device=edge.device), count)
    line = first[k] + torch.arange(len(k), device=edge.device) - (count.cumsum(0) - count)[k]
    a, b, view, edge = a[k], b[k], view[k], edge[k]
    s = (line + 0.5 - a[:, axis]) / (b[:, axis] - a[:, axis])
    at = a[:, 1 - axis] + s * (b[:, 1 - axis] - a[:, 1 - axis])
    with torch.no_grad():
        place = (at - 0.5).floor().long()
        third = pixel[view, edges.third[edge]]
        # Is the surface where coordinate 1 - axis grows?
        grows = cross(b - a, third - a) * (b - a)[:, axis] * (1 if axis == 0 else -1) > 0
        inverse = torch.lerp(1 / depth[view, edges.ends[edge, 0]], 1 / depth[view, edges.ends[edge, 1]], s)
        beside = torch.empty_like(a)
        beside[:, axis] = line + 0.5
        beside[:, 1 - axis] = at + torch.where(grows, -BESIDE, BESIDE)
        keep = ((place >= 0) & (place < places - 1)).nonzero().squeeze(1)
    share = at - 0.5 - place
    share = torch.where(grows, 1 - share, share)
    stride = (1, camera.width)
    lower = view * camera.width * camera.height + line * stride[axis] + place * stride[1 - axis]
    upper = lower + stride[1 - axis]
    inner, outer = torch.where(grows, upper, lower), torch.where(grows, lower, upper)
    found = (view, inner, outer, share, beside, 1 / inverse)
    return Crossings(*(x[keep] for x in found))


def visible(found: Crossings, camera: Camera, scene: Scene | None, distance: Float[Tensor, " p"]) -> Blends:
    """Only crossings that the camera sees: nothing is in front, and the inner pixel shows their surface."""
    with torch.no_grad():
        direction, unit = directions(found.beside, found.view, camera)
        origin = camera.c2w[found.view, :3, 3]
        edge = found.depth * unit
        clear = torch.ones_like(edge, dtype=torch.bool)
        if len(edge) and scene is not None:
            hits = scene.cast(Rays(origin[None, None], direction[None, None]))
            nearest = torch.where(hits.face >= 0, hits.distance, torch.inf).to(edge)
            clear = nearest > edge * (1 - BEHIND)
        footprint = edge * (2 * torch.tan(camera.fov_y / 2) / camera.height)[found.view]
        clear &= distance[found.inner] < edge + SLOPE * footprint
        clear &= distance[found.outer] > edge * (1 - BEHIND)
        keep = clear.nonzero().squeeze(1)
    shift = found.share[keep] - 0.5
    inner, outer = found.inner[keep], found.outer[keep]
    grows = shift > 0
    return Blends(torch.where(grows, outer, inner), torch.where(grows, inner, outer), shift.abs())
