"""Pictures of a disc, in every kind of file."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow


def disc(size: int = 64, radius: float = 0.3, centre: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """Where the disc is, by pixel centres; ``centre`` and ``radius`` as shares of the edge."""
    at = (np.arange(size) + 0.5) / size
    return (at[None] - centre[0]) ** 2 + (at[:, None] - centre[1]) ** 2 < radius**2


def rgba(colour: tuple[int, int, int] = (200, 40, 90), **more) -> Pillow.Image:
    """The disc in a colour, transparent round it."""
    inside = disc(**more)
    pixels = np.zeros((*inside.shape, 4), dtype=np.uint8)
    pixels[inside] = (*colour, 255)
    return Pillow.fromarray(pixels)


def on_noise(seed: int = 0, size: int = 96) -> tuple[Pillow.Image, torch.Tensor]:
    """A two-coloured disc on an uneven, noisy background without alpha; and the disc's mask."""
    draw = np.random.default_rng(seed)
    ramp = np.linspace(90, 150, size)[None, :, None] * np.array([0.6, 0.9, 1.0])
    pixels = ramp + draw.normal(0, 6, (size, size, 3))
    inside = disc(size)
    upper = inside & (np.arange(size)[:, None] < size / 2)
    pixels[inside], pixels[upper] = (200, 60, 40), (230, 210, 60)
    pixels += draw.normal(0, 3, pixels.shape)
    return Pillow.fromarray(pixels.clip(0, 255).astype(np.uint8)), torch.from_numpy(inside)


def saved(picture: Pillow.Image, folder: Path, name: str, **more) -> str:
    picture.save(folder / name, **more)
    return str(folder / name)
