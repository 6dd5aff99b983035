"""Placement of the object of a reference image in a square frame."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.errors import UserError


@dataclass(frozen=True)
class Box:
    """Of an object in a frame: centre and larger extent, as shares of the frame; (0, 0) is the top left."""

    x: float = 0.5
    y: float = 0.5
    extent: float = 0.75


def box_of(alpha: Float[Tensor, "h w"]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) in pixels of what is opaque, as far into a pixel as it is covered. Raises UserError
    where less than 2 x 2 or 16 pixels are at least half opaque."""
    opaque = alpha > 0.5
    if int(opaque.any(0).sum()) < 2 or int(opaque.any(1).sum()) < 2 or int(opaque.sum()) < 16:
        raise UserError("image: got a picture without an object (nothing is opaque); check its alpha or image.mask=")
    (left, right), (top, bottom) = ends(alpha.amax(0)), ends(alpha.amax(1))
    return left, top, right, bottom


def ends(covered: Float[Tensor, " n"]) -> tuple[float, float]:
    """Where a row of pixels begins and ends to be covered, by the coverage of the two pixels at each end."""
    inside = (covered > 0.5).nonzero()[:, 0]
    first, last = int(inside[0]), int(inside[-1])
    padded = [0.0, *covered.tolist(), 0.0]
    return first + 1 - padded[first + 1] - padded[first], last + padded[last + 1] + padded[last + 2]


def place(channels: Float[Tensor, "h w c"], alpha: Float[Tensor, "h w"], box: Box) -> Float[Tensor, "s s c"]:
    """A square cut from the picture, zeros outside it, in which the object fills the ``box``; pixels are kept."""
    left, top, right, bottom = box_of(alpha)
    side = max(2, round(max(right - left, bottom - top) / box.extent))
    x0 = round((left + right) / 2 - box.x * side)
    y0 = round((top + bottom) / 2 - box.y * side)
    return square(channels, x0, y0, side)


def whole(channels: Float[Tensor, "h w c"]) -> Float[Tensor, "s s c"]:
    """The picture in the middle of the smallest square round it."""
    h, w, _ = channels.shape
    side = max(h, w)
    return square(channels, (w - side) // 2, (h - side) // 2, side)


def square(channels: Float[Tensor, "h w c"], x0: int, y0: int, side: int) -> Float[Tensor, "s s c"]:
    """``side`` pixels from column x0 and row y0 on, zeros outside the picture."""
    h, w, c = channels.shape
    out = channels.new_zeros(side, side, c)
    top, left = max(0, y0), max(0, x0)
    bottom, right = min(h, y0 + side), min(w, x0 + side)
    if bottom > top and right > left:
        out[top - y0 : bottom - y0, left - x0 : right - x0] = channels[top:bottom, left:right]
    return out


def box_in(alpha: Float[Tensor, "s s"]) -> Box:
    """Where the object of a square picture is."""
    left, top, right, bottom = (edge / len(alpha) for edge in box_of(alpha))
    return Box((left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top))


def normals_in_world(colours: Float[Tensor, "h w 3"], c2w: Float[Tensor, "4 4"]) -> Float[Tensor, "h w 3"]:
    """A normal map as colours, (n + 1) / 2 with x right, y up, z to the viewer, to unit normals in world space."""
    return torch.nn.functional.normalize((2 * colours - 1) @ c2w[:3, :3].T, dim=-1)
