"""Turntables: 360 degrees around the object, as H.264 video and as a small GIF; both loop seamlessly."""

import io
import math
from pathlib import Path

import imageio_ffmpeg
import torch
from jaxtyping import Float, UInt8
from PIL import Image as Pillow
from torch import Tensor

from dream3d.report.files import replacing
from dream3d.report.pictures import to_bytes

# RGB is converted with the matrix that the file then declares; players otherwise guess it from the size.
H264 = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709", "-color_primaries",
        "bt709", "-color_trc", "iec61966-2-1", "-color_range", "tv", "-preset", "veryfast",
        "-movflags", "+faststart"]  # fmt: skip


def even(frames: UInt8[Tensor, "b h w 3"]) -> UInt8[Tensor, "b h2 w2 3"]:
    """Height and width made even, as yuv420p needs them, by repeating the last row or column."""
    _, h, w, _ = frames.shape
    if h % 2:
        frames = torch.cat((frames, frames[:, -1:]), dim=1)
    if w % 2:
        frames = torch.cat((frames, frames[:, :, -1:]), dim=2)
    return frames


def write_mp4(frames: Float[Tensor, "b h w 3"], path: Path, fps: int = 24) -> None:
    """H.264, yuv420p: what every browser and player shows. Written atomically.

    Raises:
        ValueError: no frames.
    """
    if len(frames) == 0:
        raise ValueError("turntable: got 0 frames, expected at least 1")
    pixels = even(to_bytes(frames)).contiguous()
    size = (pixels.shape[2], pixels.shape[1])
    with replacing(path) as partial:
        writer = imageio_ffmpeg.write_frames(
            str(partial),
            size,
            fps=fps,
            codec="libx264",
            pix_fmt_in="rgb24",
            pix_fmt_out="yuv420p",
            quality=7,
            macro_block_size=2,
            output_params=H264,
        )
        writer.send(None)
        for frame in pixels:
            writer.send(frame.numpy())
        writer.close()


def gif_bytes(frames: UInt8[Tensor, "b h w 3"], fps: int) -> bytes:
    """An endless GIF with one palette for all frames and no dithering (it neither flickers nor grows)."""
    pictures = [Pillow.fromarray(frame.numpy()) for frame in frames]
    chosen = frames[:: max(1, len(frames) // 8)]
    palette = Pillow.fromarray(chosen.reshape(-1, frames.shape[2], 3).numpy()).quantize(256)
    indexed = [p.quantize(palette=palette, dither=Pillow.Dither.NONE) for p in pictures]
    # GIF counts in hundredths of a second, and browsers slow down whatever is faster than 2 of them.
    milliseconds = 10 * max(2, round(100 / fps))
    out = io.BytesIO()
    indexed[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=milliseconds,
        loop=0,
        optimize=False,
    )
    return out.getvalue()


def write_gif(
    frames: Float[Tensor, "b h w 3"],
    path: Path,
    fps: int = 24,
    side: int = 320,
    limit: int = 2_000_000,
) -> None:
    """A GIF of at most ``side`` pixels a side and ``limit`` bytes (it is shrunk until it fits). Atomic.

    Raises:
        ValueError: no frames.
    """
    if len(frames) == 0:
        raise ValueError("turntable: got 0 frames, expected at least 1")
    scale = min(1.0, side / max(frames.shape[1:3]))
    while True:
        content = gif_bytes(to_bytes(_resized(frames, scale)), fps)
        if len(content) <= limit or scale * max(frames.shape[1:3]) <= 16:
            break
        scale *= min(0.9, math.sqrt(limit / len(content)))
    with replacing(path) as partial:
        partial.write_bytes(content)


def _resized(frames: Float[Tensor, "b h w 3"], scale: float) -> Float[Tensor, "b h2 w2 3"]:
    if scale == 1.0:
        return frames
    size = [max(1, round(scale * s)) for s in frames.shape[1:3]]
    small = torch.nn.functional.interpolate(frames.permute(0, 3, 1, 2), size, mode="area")
    return small.permute(0, 2, 3, 1)
