"""Builds the target from reference files: the object's alpha, its place in the frame, depth and normals."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.errors import UserError
from dream3d.reference.cutout import by_rembg, cut_out
from dream3d.reference.framing import Box, box_of, normals_in_world, place, whole
from dream3d.reference.picture import Picture, read_map, read_picture
from dream3d.reference.target import Target
from dream3d.reference.view import PictureView, Reference
from dream3d.types import Image


@dataclass(frozen=True)
class Source:
    """What the files hold, at the picture's size: straight colour and the object's alpha, maps where given."""

    picture: Picture
    depth: Float[Tensor, "h w 1"] | None = None
    normal: Float[Tensor, "h w 3"] | None = None

    def target(self, reference: Reference, box: Box | None) -> Target:
        """Placed in the frame: in the ``box``, or as it is (None)."""
        alpha = self.picture.alpha[..., None]
        parts = [self.picture.colour * alpha, alpha]
        parts += [part for part in (self.depth, self.normal) if part is not None]
        stacked = torch.cat(parts, dim=-1)
        placed = whole(stacked) if box is None else place(stacked, self.picture.alpha, box)
        image = Image(placed[None, ..., :3], placed[None, ..., 3:4])
        depth = None if self.depth is None else placed[None, ..., 4:5]
        c2w = reference.camera(1).c2w[0]
        normal = None if self.normal is None else normals_in_world(placed[..., -3:], c2w)[None]
        return Target(image, depth, normal)


def load_source(reference: Reference) -> Source:
    """Read everything that the reference names.

    Raises:
        UserError: a file is missing or wrong, or no object can be told from its background.
    """
    picture = read_picture(str(reference.file))
    size = (picture.alpha.shape[0], picture.alpha.shape[1])
    if reference.mask is not None:
        values = read_map(reference.mask, "image.mask", size)
        shown = values[..., -1] if values.shape[-1] == 4 else values.mean(dim=-1)
        picture = replace(picture, alpha=shown.clamp(0, 1))
    elif not picture.has_alpha:
        by = "its colours" if reference.background == "auto" else reference.background
        alpha = (cut_out if reference.background == "auto" else by_rembg)(picture.colour)
        note = f"image: no alpha and no image.mask=, so the background was removed by {by}; see reference.png"
        picture = replace(picture, alpha=alpha, notes=(*picture.notes, note))
    box_of(picture.alpha)
    depth = None if reference.depth is None else read_map(reference.depth, "image.depth", size).mean(-1, keepdim=True)
    if depth is not None and reference.depth_is == "disparity":
        depth = -depth
    normal = None if reference.normals is None else read_map(reference.normals, "image.normals", size)[..., :3]
    if normal is not None and normal.shape[-1] != 3:
        raise UserError(f"image.normals: got {normal.shape[-1]} channels, expected x right, y up, z to the viewer")
    return Source(picture, depth, normal)


def view_of(reference: Reference, source: Source, box: Box | None = None) -> PictureView:
    """The reference view; the object goes into ``box`` (None: where the settings say)."""
    fitted = (box or reference.box) if reference.fit else None
    return PictureView(reference, source.target(reference, fitted))
