"""A multi-resolution hash table and a small MLP: Instant-NGP (arXiv 2201.05989), the standard field on a GPU."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from dream3d.contracts import ParameterGroup
from dream3d.fields.decoder import Decoder
from dream3d.fields.encoding import level_mask
from dream3d.fields.hashing import Pyramid, hash_tinycudann, hash_torch, implementation
from dream3d.schedule import Schedule
from dream3d.types import Surface


class HashGrid(nn.Module):
    """``decoder(hash(x))``.

    The first table is U(-std, std). ``active_levels`` is a schedule of how many levels are active,
    coarse first (``at_step`` applies it); None: all of them, always. ``encoding`` picks the twin.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        levels: int = 16,
        channels: int = 2,
        log2_size: int = 17,
        base: int = 16,
        finest: int = 2048,
        std: float = 1e-4,
        active_levels: Schedule | None = None,
        encoding: Literal["auto", "torch", "tinycudann"] = "auto",
        lr_scale: float = 1.0,
        decoder: Callable[..., Decoder] = Decoder,
    ) -> None:
        super().__init__()
        self.shape = Pyramid(levels, channels, log2_size, base, finest)
        table = torch.empty(self.shape.rows() * channels).uniform_(-std, std, generator=generator)
        self.table = nn.Parameter(table)
        self.decoder = decoder(inputs=levels * channels, generator=generator)
        self.register_buffer("active", torch.tensor(float(levels)))
        self.active: Tensor
        self.active_levels = active_levels
        self.encoding: Literal["auto", "torch", "tinycudann"] = encoding
        self.lr_scale = lr_scale

    @property
    def backend(self) -> str:
        """The implementation in use, torch or tinycudann."""
        return implementation(self.encoding, self.table.device)

    def at_step(self, step: int) -> None:
        """Set how many levels are active from the schedule."""
        if self.active_levels is not None:
            self.active.fill_(self.active_levels(step))

    def features(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n d"]:
        """The decoder's input."""
        twin = hash_torch if self.backend == "torch" else hash_tinycudann
        features = twin(self.table, (x + 1) / 2, self.shape)
        if self.active_levels is None:
            return features
        mask = level_mask(self.shape.levels, self.active)
        return (features.unflatten(1, (self.shape.levels, -1)) * mask[:, None]).flatten(1)

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return self.decoder.density(x, self.features(x))

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        return self.decoder.surface(x, self.features(x))

    def parameter_groups(self) -> list[ParameterGroup]:
        table: ParameterGroup = {"params": [self.table], "name": "table", "lr_scale": self.lr_scale}
        return [table, self.decoder.parameter_group()]
