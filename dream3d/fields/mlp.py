"""The field of the first NeRFs: positional encoding and a deeper MLP."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Generator, Tensor, nn

from dream3d.contracts import ParameterGroup
from dream3d.fields.decoder import Decoder
from dream3d.fields.encoding import positional
from dream3d.types import Surface


class MLP(nn.Module):
    """``decoder(positional(x))``: NeRF (arXiv 2003.08934) without view directions."""

    def __init__(
        self, *, generator: Generator, frequencies: int = 6, decoder: Callable[..., Decoder] = Decoder
    ) -> None:
        super().__init__()
        if frequencies < 0:
            raise ValueError(f"field.frequencies: got {frequencies}, expected >= 0")
        self.frequencies = frequencies
        self.decoder = decoder(inputs=3 + 6 * frequencies, generator=generator)

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return self.decoder.density(x, positional(x, self.frequencies))

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        return self.decoder.surface(x, positional(x, self.frequencies))

    def parameter_groups(self) -> list[ParameterGroup]:
        return [self.decoder.parameter_group()]
