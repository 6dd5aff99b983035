"""Loads a folder of reference images to compare renders with."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageOps

from dream3d.errors import UserError
from dream3d.types import Image

KINDS = (".png", ".jpg", ".jpeg", ".webp")


def read_pictures(place: str, size: int) -> Image:
    """All pictures of a folder and its folders, their middles resized to ``size`` x ``size``; opaque without alpha.

    Raises:
        UserError: there is no folder, or fewer than two pictures are in it.
    """
    folder = Path(place).expanduser()
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in KINDS) if folder.is_dir() else []
    if len(files) < 2:
        raise UserError(
            f"pictures: got '{place}' with {len(files)} images, expected a folder with at least 2 of {', '.join(KINDS)}"
        )
    rgba = torch.stack([pixels(file, size) for file in files])
    return Image(rgba[..., :3] * rgba[..., 3:], rgba[..., 3:])


def pixels(file: Path, size: int) -> torch.Tensor:
    """(size, size, 4) in [0, 1]. Raises UserError for a file that is not an image."""
    try:
        with Pillow.open(file) as picture:
            resized = ImageOps.fit(picture.convert("RGBA"), (size, size), Pillow.Resampling.BOX)
    except OSError as error:
        raise UserError(f"pictures: got '{file}', which is not an image; remove it from the folder") from error
    return torch.from_numpy(np.asarray(resized).copy()).float() / 255
