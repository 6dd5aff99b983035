"""Which triangle does every pixel see first? Answered by a z-buffer in torch operators, on any device.

The twin of ``geometry/ray_casting.py`` for the rays of pixels: on a GPU nothing goes to the CPU and back, and no
hierarchy is built. Every triangle is offered to the pixels of its bounding box; depth and number are packed
into 64 bits, and the least of each pixel wins.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.geometry.ray_casting import Hits
from dream3d.render.project import project
from dream3d.types import Camera

NEAR = 1e-3  # triangles with a corner nearer than this in depth are not drawn
CANDIDATES = 1 << 20  # pairs of a triangle and a pixel looked at together
NUMBER = (1 << 32) - 1
NOTHING = torch.iinfo(torch.int64).max


@torch.no_grad()
def first_hits(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"], camera: Camera) -> Hits:
    """First hits of the rays through all pixel centres, flattened to (b h w), on the device of the vertices."""
    pixel, depth = project(vertices, camera)
    corner, z = pixel[:, faces].flatten(0, 1), depth[:, faces].flatten(0, 1)  # (b f) 3 2 and (b f) 3
    size = torch.tensor((camera.width, camera.height), device=corner.device)
    low = (corner.amin(1) - 0.5).ceil().clamp(min=0).long()
    high = torch.minimum((corner.amax(1) - 0.5).floor().long(), size - 1)
    extent = (high - low + 1).clamp(min=0) * (z > NEAR).all(1, keepdim=True)
    count = extent.prod(1)
    key = torch.full((len(camera) * camera.height * camera.width,), NOTHING, device=corner.device)
    drawn = count.nonzero().squeeze(1)
    ends = count[drawn].cumsum(0)
    for part in drawn.split(parts(ends)):
        offer(key, part, corner, z, low, extent, camera=camera, faces=len(faces))
    return hits(key, corner, z, camera, len(faces))


def parts(ends: Int[Tensor, " n"]) -> list[int]:
    """How many triangles to take at a time so that about ``CANDIDATES`` pairs come together."""
    chunk = ends.div(CANDIDATES, rounding_mode="floor")
    return torch.unique_consecutive(chunk, return_counts=True)[1].tolist() if len(ends) else [0]


def offer(
    key: Int[Tensor, " p"],
    triangle: Int[Tensor, " n"],
    corner: Float[Tensor, "t 3 2"],
    z: Float[Tensor, "t 3"],
    low: Int[Tensor, "t 2"],
    extent: Int[Tensor, "t 2"],
    *,
    camera: Camera,
    faces: int,
) -> None:
    """Lower ``key`` where one of the triangles covers a pixel's centre and is nearer than what is there."""
    count = extent[triangle].prod(1)
    which = torch.repeat_interleave(triangle, count)
    within = torch.arange(len(which), device=which.device) - torch.repeat_interleave(count.cumsum(0) - count, count)
    width = extent[which, 0]
    x, y = low[which, 0] + within % width, low[which, 1] + within.div(width, rounding_mode="floor")
    weight, inside = weights(corner[which], torch.stack((x, y), dim=-1) + 0.5)
    far = 1 / (weight / z[which]).sum(-1)  # inverse depth is linear on the screen
    view, number = which.div(faces, rounding_mode="floor"), which % faces
    # Positive floats are in the order of their bits; what is not covered loses against everything.
    packed = torch.where(inside, (far.float().view(torch.int32).long() << 32) | number, NOTHING)
    key.scatter_reduce_(0, (view * camera.height + y) * camera.width + x, packed, "amin")


def weights(corner: Float[Tensor, "n 3 2"], at: Float[Tensor, "n 2"]) -> tuple[Tensor, Tensor]:
    """Barycentric coordinates on the screen, and whether the point is inside; degenerate triangles have none."""
    a, b, c = (corner - at[:, None]).double().unbind(1)
    area = torch.stack([p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0] for p, q in ((b, c), (c, a), (a, b))], dim=-1)
    total = area.sum(-1, keepdim=True)
    share = area / torch.where(total == 0, 1, total)
    return share.to(corner.dtype), (share >= 0).all(-1) & (total[:, 0] != 0)


def hits(
    key: Int[Tensor, " p"], corner: Float[Tensor, "t 3 2"], z: Float[Tensor, "t 3"], camera: Camera, faces: int
) -> Hits:
    """Unpack the buffer: faces, barycentric coordinates in space and distances along the rays."""
    face = torch.where(key == NOTHING, -1, key & NUMBER)
    place = torch.arange(len(key), device=key.device)
    x, y = place % camera.width, place.div(camera.width, rounding_mode="floor") % camera.height
    view = place.div(camera.width * camera.height, rounding_mode="floor")
    triangle = view * faces + face.clamp(min=0)
    at = torch.stack((x, y), dim=-1) + 0.5
    inverse = weights(corner[triangle], at)[0] / z[triangle]
    depth = 1 / inverse.sum(-1)
    scale = (2 * torch.tan(camera.fov_y / 2) / camera.height)[view]
    across = (at - at.new_tensor((camera.width / 2, camera.height / 2))) * scale[:, None]
    distance = torch.where(face < 0, torch.inf, depth * (1 + across.square().sum(-1)).sqrt())
    return Hits(face, inverse * depth[:, None], distance)
