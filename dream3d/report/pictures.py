"""Still images: contact sheets of views, and the preview of a run."""

from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from PIL import Image as Pillow
from torch import Tensor

from dream3d.report.files import replacing


def to_bytes(frames: Float[Tensor, "*b h w c"]) -> UInt8[Tensor, "*b h w c"]:
    """sRGB values in [0, 1] to the nearest of 0 .. 255, on the CPU; values outside are clipped."""
    return (frames.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)


def contact_sheet(frames: Float[Tensor, "b h w 3"], columns: int) -> UInt8[Tensor, "rows_h columns_w 3"]:
    """The frames side by side, row by row from the top left; unused cells are white.

    Raises:
        ValueError: no frames, or ``columns`` < 1.
    """
    b, h, w, _ = frames.shape
    if b < 1 or columns < 1:
        raise ValueError(f"contact sheet: got {b} frames in {columns} columns, expected at least 1 of each")
    columns = min(columns, b)
    rows = -(-b // columns)
    cells = torch.full((rows * columns, h, w, 3), 255, dtype=torch.uint8)
    cells[:b] = to_bytes(frames)
    return cells.view(rows, columns, h, w, 3).transpose(1, 2).reshape(rows * h, columns * w, 3)


def write_png(pixels: UInt8[Tensor, "h w 3"], path: Path) -> None:
    """One picture, written atomically."""
    with replacing(path) as partial:
        Pillow.fromarray(pixels.numpy()).save(partial)


def preview(frames: Float[Tensor, "b h w 3"], path: Path, columns: int = 4) -> None:
    """``preview.png``: views of one object (8 of them, by custom), safe to watch during a run."""
    write_png(contact_sheet(frames, columns), path)
