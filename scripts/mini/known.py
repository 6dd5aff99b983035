"""What a trained network knows of views that it was never trained on: dB of one step, and pictures to look at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from pool import BLOCK
from torch import Tensor
from training import Training, held

from dream3d.priors.mini.features import gaussian_v
from dream3d.seeding import generator

TIMES = (990, 800, 500, 300, 100)
SHOWN = 12  # columns of a sheet
STEPS = 30  # of DDIM
CHUNK = 16  # images at once

Table = dict[str, dict[str, float]]


def decibels(got: Float[Tensor, "b 4 h w"], truth: Float[Tensor, "b 4 h w"]) -> float:
    """Mean over images of the peak signal-to-noise ratio of RGBA in [-1, 1]."""
    error = ((got - truth) / 2).square().mean(dim=(1, 2, 3)).clamp(min=1e-12)
    return round(float((-10 * torch.log10(error)).mean()), 2)


def rows_of(training: Training, views: tuple[int, ...]) -> Int[Tensor, " b"]:
    """Some views of every held-out job that has something painted."""
    pool = training.pool
    painted = [job for job in range(held(len(pool.jobs))) if pool.jobs[job].latent is not None]
    return torch.tensor([job * BLOCK + view for job in painted for view in views], dtype=torch.long)


@torch.no_grad()
def table(training: Training, size: int) -> Table:
    """dB of x0 after one step, at each t: of the network, and of its Gaussian base alone; and of what is painted.

    Empty where nothing that is held out is painted.
    """
    rows = rows_of(training, (0, 3))
    if not len(rows):
        return {}
    x0, painted, camera = training.batch(rows, size)
    said = training.text(input_ids=training.tokens[rows // BLOCK, 0]).last_hidden_state
    found: Table = {"painted": {"any": decibels(2 * painted - 1, x0)}, "base": {}, "network": {}}
    for time in TIMES:
        t = torch.full((len(rows),), time, device=training.device)
        noise = torch.randn(x0.shape, generator=generator(0, time, "known", training.device), device=training.device)
        x_t, _, a = training.noised(x0, t, noise)
        base = gaussian_v(x_t, t.float(), painted, training.unet.config["spread"])
        parts = zip(*(y.split(CHUNK) for y in (x_t, t, said, camera, painted)), strict=True)
        network = torch.cat([training.v(*part).float() for part in parts])
        for name, v in (("base", base), ("network", network)):
            found[name][str(time)] = decibels(a.sqrt() * x_t - (1 - a).sqrt() * v, x0)
    return found


@torch.no_grad()
def samples(training: Training, rows: Int[Tensor, " b"], size: int) -> Float[Tensor, "b 4 h w"]:
    """DDIM without guidance for the captions and cameras of some rows, in [-1, 1]."""
    x0, painted, camera = training.batch(rows, size)
    said = training.text(input_ids=training.tokens[rows // BLOCK, 0]).last_hidden_state
    x = torch.randn(x0.shape, generator=generator(0, 0, "samples", training.device), device=training.device)
    scheduler: Any = training.mini.scheduler
    scheduler.set_timesteps(STEPS)
    for time in scheduler.timesteps:
        t = torch.full((len(rows),), int(time), device=training.device)
        x = scheduler.step(training.v(x, t, said, camera, painted).float(), time, x).prev_sample
    return x


def sheet(training: Training, size: int, file: Path) -> None:
    """Three rows on white: samples, what was painted, the models; for held-out views."""
    rows = rows_of(training, (2,))[:SHOWN]
    if not len(rows):
        return
    x0, painted, _ = training.batch(rows, size)
    over_white: Callable[[Tensor], Tensor] = lambda y: (y[:, :3] + 1 - y[:, 3:]).clamp(0, 1)  # noqa: E731
    lines = [over_white(y) for y in (samples(training, rows, size) / 2 + 0.5, painted, x0 / 2 + 0.5)]
    whole = torch.cat([line.permute(2, 0, 3, 1).flatten(1, 2) for line in lines])
    Image.fromarray((255 * whole).round().byte().cpu().numpy().astype(np.uint8)).save(file, quality=88)
