"""Loads an image file of any kind as straight RGBA, upright, or raises a one-line error."""

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image as Pillow
from PIL import ImageOps
from torch import Tensor

from dream3d.errors import UserError, first

SMALLEST, MOST, WORKING = 16, 100_000_000, 1024  # edge, pixels of a file, longest edge of what is worked with
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, Pillow.DecompressionBombError, MemoryError)


@dataclass(frozen=True)
class Picture:
    """Straight (not premultiplied) sRGB colour and alpha in [0, 1]; ``notes`` says what was done to get it."""

    colour: Float[Tensor, "h w 3"]
    alpha: Float[Tensor, "h w"]
    notes: tuple[str, ...] = ()

    @property
    def has_alpha(self) -> bool:
        """Is any of it transparent?"""
        return bool((self.alpha < 0.999).any())


def read_picture(file: str, key: str = "image") -> Picture:
    """Any picture that Pillow reads: first frame, turned upright (EXIF), at most 1024 pixels along its longer edge.

    Raises:
        UserError: no such file, no picture, less than 16 or more than 100 million pixels.
    """
    opened, notes = opened_picture(file, key)
    rgba = premultiplied(rgba_of(opened, file, key))
    longest = max(rgba.shape[:2])
    if longest > WORKING:
        size = [max(1, round(edge * WORKING / longest)) for edge in rgba.shape[:2]]
        small = torch.nn.functional.interpolate(rgba.permute(2, 0, 1)[None], size=size, mode="area")
        rgba = small[0].permute(1, 2, 0)
    alpha = rgba[..., 3:]
    return Picture((rgba[..., :3] / alpha.clamp(min=1e-6)).clamp(0, 1), alpha[..., 0], notes)


def opened_picture(file: str, key: str) -> tuple[Pillow.Image, tuple[str, ...]]:
    """The first frame, decoded and upright. Raises UserError."""
    path = Path(file).expanduser()
    try:
        there = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    if not there:
        raise UserError(f"{key}: got '{file}', but there is no such file; check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # the size is checked here
            with Pillow.open(path) as picture:
                width, height = picture.size
                check_size(width, height, file, key)
                frames = getattr(picture, "n_frames", 1)
                picture.load()
                upright = ImageOps.exif_transpose(picture) or picture
    except UNREADABLE as error:
        reason = "it is not one that can be read" if "identify" in str(error) else first(error)
        raise UserError(f"{key}: got '{file}', expected a picture ({reason}); use a PNG or JPEG") from error
    return upright, (f"{key}: {path.name} has {frames} frames; the first is used",) if frames > 1 else ()


def check_size(width: int, height: int, file: str, key: str) -> None:
    """Raise UserError for a picture with too few or too many pixels, before it is decoded."""
    if min(width, height) < SMALLEST:
        raise UserError(f"{key}: got '{file}' of {width} x {height} pixels, expected at least {SMALLEST} x {SMALLEST}")
    if width * height > MOST:
        raise UserError(
            f"{key}: got '{file}' of {width} x {height} pixels, expected at most {MOST:,} in all; make it smaller"
        )


def rgba_of(picture: Pillow.Image, file: str, key: str) -> Float[Tensor, "h w 4"]:
    """Straight RGBA in [0, 1] of a decoded picture of any mode: 16 and 32 bits, palette, CMYK, grey, float."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        grey = torch.from_numpy(np.asarray(picture).astype(np.float32))
        most = float(grey.max()) if torch.isfinite(grey).all() else float("inf")
        unit = 1.0 if most <= 1 and picture.mode == "F" else 65535.0 if most > 255 or "16" in picture.mode else 255.0
        if most > 65535 or float(grey.min()) < 0:
            raise UserError(f"{key}: got '{file}' with values up to {most:g}, expected 8 or 16 bits; save it as PNG")
        return torch.stack((*[grey / unit] * 3, torch.ones_like(grey)), dim=-1)
    try:
        return torch.from_numpy(np.asarray(picture.convert("RGBA")).astype(np.float32) / 255)
    except ValueError as error:
        raise UserError(f"{key}: got '{file}' of mode {picture.mode}, expected RGB or RGBA; save it as PNG") from error


def premultiplied(rgba: Float[Tensor, "h w 4"]) -> Float[Tensor, "h w 4"]:
    """Colour times alpha, so that averages keep clean edges."""
    return torch.cat((rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]), dim=-1)


def read_map(file: str, key: str, size: tuple[int, int]) -> Float[Tensor, "h w c"]:
    """A depth, normal or mask file (.npy or a picture) at ``size`` (height, width), values as they are in an array,
    [0, 1] from a picture. Raises UserError where it cannot be read or has another aspect ratio."""
    if Path(file).suffix.lower() == ".npy":
        values = read_array(file, key)
    else:
        opened, _ = opened_picture(file, key)
        rgba = rgba_of(opened, file, key)
        values = rgba if opened.mode in ("RGBA", "LA", "PA") else rgba[..., :3]
    h, w = values.shape[:2]
    if abs(h * size[1] - w * size[0]) > 2 * max(*size, h, w):
        raise UserError(f"{key}: got {w} x {h} pixels, expected the shape of the picture, {size[1]} x {size[0]}")
    moved = values.permute(2, 0, 1)[None]
    mode = "area" if h >= size[0] else "bilinear"
    return torch.nn.functional.interpolate(moved, size=size, mode=mode)[0].permute(1, 2, 0)


def read_array(file: str, key: str) -> Float[Tensor, "h w c"]:
    """A .npy file of numbers. Raises UserError."""
    try:
        array = np.load(Path(file).expanduser(), allow_pickle=False).astype(np.float32)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise UserError(f"{key}: got '{file}', expected a .npy array or a picture ({first(error)})") from error
    values = torch.from_numpy(array.squeeze())
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or not bool(torch.isfinite(values).all()):
        raise UserError(f"{key}: got an array of shape {list(array.shape)}, expected finite numbers, h w or h w 3")
    return values
