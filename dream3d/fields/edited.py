"""An edited field: the optimised field inside a region, the frozen source outside it.

Outside the region nothing can change, whatever the loss; DiffEdit (arXiv 2210.11427) preserves an image's background
in the same way, here in 3D and for any pair of fields.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.contracts import ParameterGroup, TrainableField, at_step, parameter_groups
from dream3d.fields.encoding import trilinear
from dream3d.types import Surface

FINISHED = 2**31  # a step at which every level of detail is on


class Edited(nn.Module):
    """``density = m live + (1 - m) source``, and so the colour; m(x) in [0, 1] is trilinear in ``region``.

    ``region`` holds m at the ``vertices``^3 vertices of the cube round the unit ball, x fastest; it starts as 1
    everywhere. Only ``live`` is trained. A checkpoint holds both fields and the region, so that an edit is resumed
    without what it started from.
    """

    def __init__(self, live: nn.Module, source: nn.Module, vertices: int = 48) -> None:
        super().__init__()
        self.live, self.source = live, source.requires_grad_(False)
        self.vertices = vertices
        self.register_buffer("region", torch.ones(vertices**3, 1))
        self.region: Tensor
        self.everywhere = True

    def begin(self) -> None:
        """The source as the live field is by now."""
        self.source.load_state_dict(self.live.state_dict())

    def restrict(self, region: Float[Tensor, "z y x"]) -> None:
        """Set m at the vertices."""
        self.region.copy_(region.reshape(-1, 1))
        self.everywhere = bool((region >= 1).all())

    def share(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """m at x."""
        return trilinear(self.region, x, self.vertices)[:, 0]

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        if self.everywhere:
            return as_field(self.live).density(x)
        return torch.lerp(as_field(self.source).density(x), as_field(self.live).density(x), self.share(x))

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        if self.everywhere:
            return as_field(self.live).surface(x)
        before, now, share = as_field(self.source).surface(x), as_field(self.live).surface(x), self.share(x)
        return Surface(
            torch.lerp(before.density, now.density, share), torch.lerp(before.colour, now.colour, share[:, None])
        )

    def at_step(self, step: int) -> None:
        """A source is a finished field: all its levels of detail are on from the first step."""
        for field in (self.live, self.source):
            at_step(field, FINISHED)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Those of the live field."""
        return parameter_groups(self.live)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.everywhere)

    def set_extra_state(self, state: Tensor) -> None:
        self.everywhere = bool(state)


def as_field(module: nn.Module) -> TrainableField:
    """The module, known to be a field."""
    assert isinstance(module, TrainableField)
    return module
