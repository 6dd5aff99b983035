"""Latents of models and the one decoder that they share (an auto-decoder: DeepSDF, arXiv 1901.05103).

The decoder is learned together with the latents of some models, then frozen; every model's latent is fitted to it,
in groups, from their mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from points import FAR
from torch import Tensor, nn

from dream3d.priors.mini.latents import UNIT, TriplaneDecoder
from dream3d.seeding import generator

BAND = 0.03  # where distances count most, and what is shown counts at all
LATENT_RATE, DECODER_RATE = 0.02, 3e-3


@dataclass(frozen=True)
class Sizes:
    """Of latents and decoder, and how long they are learned. The defaults are those of the shipped prior."""

    resolution: int = 40
    channels: int = 4
    hidden: int = 64
    first: int = 96  # models that the decoder is learned from
    decoder_steps: int = 5000
    fit_steps: int = 600
    group: int = 16  # latents at once
    points: int = 2048  # of a model, a step

    @property
    def planes(self) -> tuple[int, int, int, int]:
        return 3, self.channels, self.resolution, self.resolution


class Stack:
    """The points of several models on a device, as the integers that they are stored in."""

    def __init__(self, files: Sequence[Path], device: torch.device) -> None:
        read = [np.load(file) for file in files]
        self.x, self.distance, self.shown = (
            torch.from_numpy(np.stack([one[name] for one in read])).to(device) for name in ("x", "distance", "shown")
        )

    def draw(
        self, which: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "m n 3"], Float[Tensor, "m n"], Float[Tensor, "m n 4"]]:
        """Random points of the models ``which``: as ``Points`` has them."""
        pick = torch.randint(self.x.shape[1], (len(which), count), generator=generator).to(self.x.device)
        row = which[:, None].to(self.x.device)
        distance = self.distance[row, pick].float() * (FAR / 127)
        return self.x[row, pick].float() / 32767, distance, self.shown[row, pick].float() / 255


def fit_loss(
    decoder: TriplaneDecoder,
    latent: Float[Tensor, "m 3 c r r"],
    x: Float[Tensor, "m n 3"],
    distance: Float[Tensor, "m n"],
    shown: Float[Tensor, "m n 4"],
) -> Float[Tensor, ""]:
    """L1 of distance, five times as much in the band; L1 of albedo and paint, eleven times as much there."""
    got, looks = decoder(latent, x)
    near = (distance.abs() < BAND).float()
    shape = ((got.clamp(-UNIT, UNIT) - distance).abs() * (1 + 4 * near)).mean()
    return 20 * shape + ((looks - shown).abs().sum(-1) * (0.1 + near)).mean()


def learn(decoder: TriplaneDecoder, latents: nn.Parameter, stack: Stack, steps: int, sizes: Sizes, seed: int) -> float:
    """Adam with a cosine on the latents and on what of the decoder may change; the last loss."""
    groups = [{"params": [latents], "peak": LATENT_RATE}]
    if any(p.requires_grad for p in decoder.parameters()):
        groups.append({"params": list(decoder.parameters()), "peak": DECODER_RATE})
    optimizer = torch.optim.Adam(groups, lr=LATENT_RATE, betas=(0.9, 0.99))
    loss = torch.tensor(float("nan"))
    for step in range(steps):
        draw = generator(seed, step, "autodecoder")
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        which = torch.randperm(len(latents), generator=draw)[: sizes.group]
        loss = fit_loss(decoder, latents[which.to(latents.device)], *stack.draw(which, sizes.points, draw))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 500 == 499:
            print(f"latents: step {step + 1} of {steps}, loss {float(loss.detach()):.4f}", flush=True)
    return float(loss.detach())


def make_decoder(files: Sequence[Path], out: Path, sizes: Sizes, device: torch.device) -> None:
    """The decoder and the mean of its latents, from the points of some models drawn by their keys' hash."""
    torch.manual_seed(0)
    files = sorted(files, key=lambda file: file.stem[-12:])[: sizes.first]
    decoder = TriplaneDecoder(sizes.channels, sizes.hidden).to(device)
    start = 0.05 * torch.randn(len(files), *sizes.planes, generator=generator(0, 0, "latents"))
    latents = nn.Parameter(start.to(device))
    learn(decoder, latents, Stack(files, device), sizes.decoder_steps, sizes, seed=0)
    made = {"decoder": decoder.state_dict(), "mean": latents.detach().mean(0)}
    torch.save(made, out.with_suffix(".part"))
    out.with_suffix(".part").rename(out)


def load_decoder(file: Path, sizes: Sizes, device: torch.device) -> tuple[TriplaneDecoder, Float[Tensor, "3 c r r"]]:
    """What ``make_decoder`` wrote: the decoder, frozen, and the latent to start from."""
    saved = torch.load(file, map_location=device, weights_only=True)
    decoder = TriplaneDecoder(sizes.channels, sizes.hidden).to(device)
    decoder.load_state_dict(saved["decoder"])
    return decoder.requires_grad_(False), saved["mean"]


def make_latents(files: Sequence[Path], decoder_file: Path, folder: Path, sizes: Sizes, device: torch.device) -> None:
    """``folder``/<key>.npy for each file of points that has none yet."""
    folder.mkdir(parents=True, exist_ok=True)
    decoder, mean = load_decoder(decoder_file, sizes, device)
    left = [file for file in files if not (folder / f"{file.stem}.npy").is_file()]
    for k in range(0, len(left), sizes.group):
        some = left[k : k + sizes.group]
        latents = nn.Parameter(mean.expand(len(some), -1, -1, -1, -1).clone())
        loss = learn(decoder, latents, Stack(some, device), sizes.fit_steps, sizes, seed=1)
        for file, latent in zip(some, latents.detach().cpu(), strict=True):
            np.save(folder / f"{file.stem}.npy", latent.numpy())
        print(f"latents: {k + len(some)} of {len(left)} models, loss {loss:.4f}", flush=True)
