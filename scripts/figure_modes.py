"""Draw docs/modes.png: SDS seeks a mode, VSD matches the distribution.

256 particles on a line start at one place. The prior is exact: two Gaussians, null a wide spread.
Each panel is position (up) against step (right), the final histogram over the prior's density beside it.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from dream3d.distill.sds import sds
from dream3d.distill.vsd import vsd
from dream3d.distill.weight import sigma_squared
from dream3d.priors.mixture import Mixture, mixture_eps
from dream3d.types import Conditioning

MODES = torch.tensor([[-1.5], [1.5]], dtype=torch.float64)
WIDE = torch.linspace(-2.6, 2.6, 17, dtype=torch.float64)[:, None]  # the same variance as the two modes
PRIOR = Mixture({"two": MODES, "": WIDE}, std=0.5)
START, RATE = 1.0, 0.1


@dataclass
class ParticleStudent:
    """The exact score of the particles, each a Gaussian of width ``bandwidth`` (kernel density)."""

    particles: Tensor
    bandwidth: float = 0.05

    def eps(self, x_t: Tensor, t: Tensor, text: Conditioning) -> Tensor:
        modes = self.particles[None].expand(len(x_t), -1, -1)
        return mixture_eps(x_t, PRIOR.alpha_bar[t], modes, self.bandwidth)


def paths(name: str, particles: int = 256, steps: int = 500, seed: int = 0) -> Tensor:
    """Positions (steps + 1, particles) under "sds" at guidance 7.5 or "vsd" at guidance 1, by Adam."""
    draw = torch.Generator().manual_seed(seed)
    x = START + 0.05 * torch.randn(particles, 1, generator=draw, dtype=torch.float64)
    x.requires_grad_()
    text = Conditioning(*(PRIOR.embed([p]).expand(particles, -1, -1) for p in ("two", "")))
    optimizer = torch.optim.Adam([x], lr=RATE)
    history = [x.detach().flatten().clone()]
    for step in range(steps):
        t = torch.randint(20, 980, (particles,), generator=draw)
        noise = torch.randn(particles, 1, generator=draw, dtype=torch.float64)
        loss: Callable = partial(sds, scale=7.5)
        if name == "vsd":
            loss = partial(vsd, scale=1.0, student=ParticleStudent(x.detach().clone()))
        optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        loss(PRIOR, x, t, noise, text, weight=sigma_squared).loss.backward()
        optimizer.step()
        history.append(x.detach().flatten().clone())
    return torch.stack(history)


def panel(history: Tensor, width: int = 420, height: int = 360, side: int = 120) -> np.ndarray:
    """Paths as ink, then the final histogram (blue) under the prior's density (black)."""
    canvas = np.ones((height, width + side, 3))
    row = ((4 - history.numpy()) / 8 * (height - 1)).round().astype(int).clip(0, height - 1)
    column = np.linspace(0, width - 1, len(row)).round().astype(int)[:, None].repeat(row.shape[1], axis=1)
    ink = np.zeros((height, width))
    np.add.at(ink, (row, column), 1)
    canvas[:, :width, :2] -= (1 - np.exp(-ink / 3))[..., None] * np.array([0.85, 0.6])
    edges = np.linspace(-4, 4, 61)
    share, _ = np.histogram(history[-1].numpy(), bins=edges, density=True)
    y = 4 - 8 * np.arange(height) / (height - 1)
    bars = share[np.clip(np.digitize(y, edges) - 1, 0, 59)]
    density = sum(np.exp(-((y - m) ** 2) / 0.5) for m in (-1.5, 1.5)) / (2 * 0.5 * math.sqrt(2 * math.pi))
    reach = 0.6  # the density at the panel's right edge
    across = np.linspace(0, reach, side)
    canvas[:, width:][across < bars[:, None]] = (0.45, 0.65, 0.95)
    canvas[:, width:][np.abs(across - density[:, None]) < reach / side] = 0
    canvas[:, width] = 0.7
    return canvas


def figure(out: Path) -> None:
    """Both panels and their titles."""
    titles = {"sds": "SDS, guidance 7.5: one mode", "vsd": "VSD, guidance 1: the distribution"}
    panels = [np.pad(panel(paths(name)), ((30, 10), (10, 10), (0, 0)), constant_values=1) for name in titles]
    image = Image.fromarray((255 * np.concatenate(panels, axis=1)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for i, title in enumerate(titles.values()):
        draw.text((10 + i * image.width // 2, 10), title, fill="black")
    out.parent.mkdir(parents=True, exist_ok=True)
    image.save(out, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/modes.png"))
    figure(parser.parse_args().out)
