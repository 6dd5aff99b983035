"""The multi-resolution hash encoding of Instant-NGP (arXiv 2201.05989): plain torch, and tinycudann's.

Both implementations use one flat table with tinycudann's layout, so that checkpoints are interchangeable.
"""

import importlib.util
import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import functional_call

from dream3d.fields.encoding import cell_weights, weighted_rows

PRIMES = (1, 2654435761, 805459861)
"""Of the spatial hash (Eq. 4)."""


@dataclass(frozen=True)
class Level:
    """One resolution: vertices at ``x * scale + 0.5`` (x in [0, 1]^3); its rows are [start, start + rows)."""

    scale: float
    resolution: int
    start: int
    rows: int


@dataclass(frozen=True)
class Pyramid:
    """The shape of an encoding: ``levels`` resolutions in geometric progression from ``base`` to
    ``finest`` (Eq. 2 and 3), at most ``2^log2_size`` rows each, ``channels`` features a row."""

    levels: int = 16
    channels: int = 2
    log2_size: int = 19
    base: int = 16
    finest: int = 2048

    def __post_init__(self) -> None:
        if self.levels < 1 or not 2 <= self.base <= self.finest or not 3 <= self.log2_size <= 30:
            raise ValueError(
                f"field: got levels {self.levels}, base {self.base}, finest {self.finest}, "
                f"log2_size {self.log2_size}; expected levels >= 1, 2 <= base <= finest, log2_size in [3, 30]"
            )

    @property
    def growth(self) -> float:
        """b of Eq. 3: ``base b^(levels - 1) = finest``."""
        return (self.finest / self.base) ** (1 / max(self.levels - 1, 1))

    def table(self) -> list[Level]:
        """The levels, with tinycudann's rounding (in float32): ``scale = base b^l - 1``, and as many rows
        as vertices, rounded up to 8."""
        exponent = torch.arange(self.levels, dtype=torch.float32) * math.log2(self.growth)
        result, start = [], 0
        for scale in (torch.exp2(exponent) * self.base - 1).tolist():
            resolution = math.ceil(scale) + 1
            rows = min(math.ceil(resolution**3 / 8) * 8, 2**self.log2_size)
            result.append(Level(scale, resolution, start, rows))
            start += rows
        return result

    def rows(self) -> int:
        """Rows of all levels together."""
        return sum(level.rows for level in self.table())


@dataclass(frozen=True)
class _Rows:
    """What turns vertices into rows, a row a level; the first ``dense`` levels hold every vertex."""

    scale: Float[Tensor, " l"]
    factor: Int[Tensor, "l 3 1"]
    rows: Int[Tensor, "l 1"]
    start: Int[Tensor, "l 1"]
    dense: int


@cache
def _rows(shape: Pyramid, device: torch.device) -> _Rows:
    levels = shape.table()
    dense = [level for level in levels if level.resolution**3 <= level.rows]
    factor = [(1, v.resolution, v.resolution**2) if v in dense else PRIMES for v in levels]
    return _Rows(
        torch.tensor([v.scale for v in levels], device=device),
        torch.tensor(factor, device=device)[..., None],
        torch.tensor([v.rows for v in levels], device=device)[:, None],
        torch.tensor([v.start for v in levels], device=device)[:, None],
        len(dense),
    )


def rows_of(lower: Int[Tensor, "n l 3"], shape: Pyramid) -> Int[Tensor, "n l 8"]:
    """Which rows hold the corners (order of ``OFFSETS``) of the cells with these lower corners: x fastest where
    all vertices of a level fit, else ``xor_i(v_i prime_i) mod rows`` (Eq. 4)."""
    levels = _rows(shape, lower.device)
    both = torch.stack((lower, lower + 1), dim=-1) * levels.factor
    x, y, z = both[:, :, 0, None, None, :], both[:, :, 1, None, :, None], both[:, :, 2, :, None, None]
    d = levels.dense
    row = torch.cat((z[:, :d] + y[:, :d] + x[:, :d], z[:, d:] ^ y[:, d:] ^ x[:, d:]), dim=1).flatten(2)
    # A point on the far side of the cube names vertices beyond it; the modulo keeps them in the table.
    return row.remainder_(levels.rows).add_(levels.start)


def hash_torch(params: Float[Tensor, " p"], x: Float[Tensor, "n 3"], shape: Pyramid) -> Float[Tensor, "n d"]:
    """Features of points in [0, 1]^3, all levels at once; d = levels * channels. Twice differentiable in x."""
    position = x[:, None] * _rows(shape, x.device).scale.to(x.dtype)[:, None] + 0.5
    lower = position.detach().floor()
    rows = weighted_rows(
        params.view(-1, shape.channels),
        rows_of(lower.long(), shape).flatten(0, 1),
        cell_weights((position - lower).flatten(0, 1)),
    )
    return rows.view(len(x), shape.levels * shape.channels)


@cache
def _tinycudann(shape: Pyramid) -> Any:
    import tinycudann  # type: ignore[import-not-found]

    config = {
        "otype": "HashGrid",
        "n_levels": shape.levels,
        "n_features_per_level": shape.channels,
        "log2_hashmap_size": shape.log2_size,
        "base_resolution": shape.base,
        "per_level_scale": shape.growth,
        "interpolation": "Linear",
    }
    return tinycudann.Encoding(3, config, dtype=torch.float32)


def hash_tinycudann(params: Float[Tensor, " p"], x: Float[Tensor, "n 3"], shape: Pyramid) -> Float[Tensor, "n d"]:
    """The twin of ``hash_torch`` by tinycudann, on CUDA."""
    return functional_call(_tinycudann(shape), {"params": params}, (x,))


def implementation(
    wanted: Literal["auto", "torch", "tinycudann"], device: torch.device
) -> Literal["torch", "tinycudann"]:
    """The implementation to use: ``auto`` is tinycudann if it is installed and the device is CUDA.

    Raises ValueError if tinycudann is requested but unavailable.
    """
    available = device.type == "cuda" and importlib.util.find_spec("tinycudann") is not None
    if wanted == "tinycudann" and not available:
        raise ValueError(
            f"field.encoding: got tinycudann on {device.type}; expected a CUDA device and tinycudann "
            "installed; use field.encoding=auto"
        )
    if wanted not in ("auto", "torch", "tinycudann"):
        raise ValueError(f"field.encoding: got '{wanted}', expected auto, torch or tinycudann")
    return "tinycudann" if available and wanted != "torch" else "torch"
