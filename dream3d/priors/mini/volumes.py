"""Coarse volumes of many models, to find the one that a picture shows: which cells their surfaces touch, how bright.

``volumes.npz`` of a prior's folder: ``names``; ``nouns`` that mean each (JSON); ``occupied`` (bits of n x 24^3 cells)
and ``luma`` (0 .. 7, one an occupied cell, in order), LZMA-compressed. Cells are numbered x, y, z with z fastest, over
[-1, 1]^3.
"""

import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

VOLUMES = "volumes.npz"
CELLS, LEVELS = 24, 7


@dataclass(frozen=True)
class Volumes:
    """n models on ``CELLS``^3 cells; one cell more stands for all that is outside, and is empty. ``luma``: the mean of
    red, green and blue in [0, 1]."""

    names: Sequence[str]
    nouns: Sequence[Sequence[str]]
    occupied: Bool[Tensor, "n v"]
    luma: Float[Tensor, "n v"]

    def some(self, which: Sequence[int]) -> "Volumes":
        """Those of these numbers."""
        index = torch.tensor(which, dtype=torch.long)
        names, nouns = ([listed[i] for i in which] for listed in (self.names, self.nouns))
        return replace(self, names=names, nouns=nouns, occupied=self.occupied[index], luma=self.luma[index])

    def of(self, name: str) -> Bool[Tensor, "c c c"]:
        """The cells of one model."""
        return self.occupied[list(self.names).index(name), :-1].view(CELLS, CELLS, CELLS)


def load_volumes(folder: Path) -> Volumes | None:
    """The volumes of a prior's folder, None where it has none."""
    file = folder / VOLUMES
    if not file.is_file():
        return None
    with np.load(file) as packed:
        names = [str(name) for name in packed["names"]]
        nouns, bits, luma = (lzma.decompress(packed[key].tobytes()) for key in ("nouns", "occupied", "luma"))
    size = CELLS**3
    cells = np.unpackbits(np.frombuffer(bits, np.uint8), count=len(names) * size).astype(bool).reshape(len(names), size)
    occupied = torch.zeros(len(names), size + 1, dtype=torch.bool)
    occupied[:, :-1] = torch.from_numpy(cells)
    bright = torch.zeros(len(names), size + 1)
    bright[occupied] = torch.from_numpy(np.frombuffer(luma, np.uint8).astype(np.float32) / LEVELS)
    return Volumes(names, json.loads(nouns), occupied, bright)


def save_volumes(volumes: Volumes, file: Path) -> None:
    """Write what ``load_volumes`` reads."""
    data = {
        "nouns": json.dumps([list(nouns) for nouns in volumes.nouns]).encode(),
        "occupied": np.packbits(volumes.occupied[:, :-1].numpy()).tobytes(),
        "luma": (volumes.luma[volumes.occupied] * LEVELS).round().byte().numpy().tobytes(),
    }
    packed: Any = {key: np.frombuffer(lzma.compress(value), np.uint8) for key, value in data.items()}
    np.savez(file, names=np.array(volumes.names), **packed)
