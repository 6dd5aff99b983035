"""Analytic fields for the renderer."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dream3d.types import Surface


class Analytic(nn.Module):
    """A field from a density function of the points; ``gain`` is its one parameter, colour is (x + 1) / 2."""

    def __init__(self, of: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.of = of
        self.gain = nn.Parameter(torch.ones(()))
        self.queried = 0

    def density(self, x: Tensor) -> Tensor:
        self.queried += len(x)
        return self.gain.to(x.dtype) * self.of(x) * (x.norm(dim=-1) <= 1 + 1e-6)

    def surface(self, x: Tensor) -> Surface:
        return Surface(self.density(x), self.gain.to(x.dtype) * (x + 1) / 2)
