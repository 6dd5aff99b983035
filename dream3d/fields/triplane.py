"""Three feature planes and a small MLP: the fastest field on a CPU."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from dream3d.contracts import ParameterGroup
from dream3d.fields.decoder import Decoder
from dream3d.fields.encoding import level_mask, sides, triplane
from dream3d.schedule import Schedule
from dream3d.types import Surface


class Triplane(nn.Module):
    """Features of the planes (x, y), (y, z), (z, x) at one or more resolutions (EG3D, arXiv 2112.07945;
    several resolutions as in K-Planes, arXiv 2301.10241), decoded by an MLP.

    ``channels`` per plane and resolution; initial features N(0, std^2). ``levels`` is a schedule of how
    many resolutions are active, coarse first (``at_step`` applies it); None: all of them, always.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        resolutions: Sequence[int] = (32, 128),
        channels: int = 8,
        std: float = 0.01,
        levels: Schedule | None = None,
        lr_scale: float = 1.0,
        decoder: Callable[..., Decoder] = Decoder,
    ) -> None:
        super().__init__()
        if len(resolutions) == 0 or min(resolutions) < 2 or channels < 1:
            raise ValueError(
                f"field: got resolutions {list(resolutions)}, channels {channels}; "
                "expected one or more resolutions >= 2 and channels >= 1"
            )
        self.planes = nn.ParameterList(
            std * torch.randn(3, channels, size, size, generator=generator) for size in resolutions
        )
        self.decoder = decoder(inputs=3 * channels * len(resolutions), generator=generator)
        self.register_buffer("active", torch.tensor(float(len(resolutions))))
        self.active: Tensor
        self.levels = levels
        self.lr_scale = lr_scale

    def at_step(self, step: int) -> None:
        """Set how many resolutions are active from the schedule."""
        if self.levels is not None:
            self.active.fill_(self.levels(step))

    def features(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n d"]:
        """The decoder's input."""
        uv = sides(x)
        parts = [triplane(planes, uv) for planes in self.planes]
        if self.levels is not None:
            mask = level_mask(len(parts), self.active)
            parts = [part * weight for part, weight in zip(parts, mask, strict=True)]
        return torch.cat(parts, dim=-1)

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return self.decoder.density(x, self.features(x))

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        return self.decoder.surface(x, self.features(x))

    def parameter_groups(self) -> list[ParameterGroup]:
        planes: ParameterGroup = {"params": list(self.planes), "name": "planes", "lr_scale": self.lr_scale}
        return [planes, self.decoder.parameter_group()]
