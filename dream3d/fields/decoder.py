"""Features to density and colour: a small MLP, and the pieces that fields without one use as well."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from dream3d.contracts import ParameterGroup
from dream3d.fields.activation import softplus
from dream3d.fields.initial import cone
from dream3d.fields.latents import colours
from dream3d.types import Surface

Activation = Callable[[Tensor], Tensor]
Initial = Callable[[Tensor], Tensor]


def density_of(
    raw: Float[Tensor, " n"], x: Float[Tensor, "n 3"], initial: Initial, activation: Activation
) -> Float[Tensor, " n"]:
    """``activation(raw + initial(x))`` inside the unit ball, 0 outside."""
    inside = (x.detach() ** 2).sum(dim=-1) <= 1
    return activation(raw + initial(x)) * inside


def linear(inputs: int, outputs: int, generator: Generator) -> nn.Linear:
    """``nn.Linear`` with torch's usual initial values, U(+-1/sqrt(inputs)), from an explicit generator."""
    # On the meta device nothing is drawn from torch's global state.
    layer = nn.Linear(inputs, outputs, device="meta")
    bound = 1 / math.sqrt(inputs)
    layer.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound, generator=generator))
    layer.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound, generator=generator))
    return layer


class Decoder(nn.Module):
    """An MLP with ReLU; its last layer gives the raw density and the raw colours.

    ``layers`` hidden layers of ``hidden`` units. The last bias starts at 0: a grey blob.
    """

    def __init__(
        self,
        inputs: int,
        generator: Generator,
        *,
        hidden: int = 64,
        layers: int = 1,
        colour_channels: int = 3,
        initial: Initial = cone,
        activation: Activation = softplus,
        lr_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"field.decoder.layers: got {layers}, expected at least 1 hidden layer")
        widths = [inputs] + [hidden] * layers
        self.hidden = nn.ModuleList(linear(a, b, generator) for a, b in pairwise(widths))
        self.last = linear(hidden, 1 + colour_channels, generator)
        nn.init.zeros_(self.last.bias)
        self.colours = colours(colour_channels)
        self.initial = initial
        self.activation = activation
        self.lr_scale = lr_scale

    def _trunk(self, features: Tensor) -> Tensor:
        for layer in self.hidden:
            features = F.relu(layer(features), inplace=True)
        return features

    def density(self, x: Float[Tensor, "n 3"], features: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Density alone; computes no colour."""
        raw = self._trunk(features) @ self.last.weight[0] + self.last.bias[0]
        return density_of(raw, x, self.initial, self.activation)

    def surface(self, x: Float[Tensor, "n 3"], features: Float[Tensor, "n d"]) -> Surface:
        """Density and colour."""
        raw = self.last(self._trunk(features))
        return Surface(density_of(raw[:, 0], x, self.initial, self.activation), self.colours(raw[:, 1:]))

    def parameter_group(self) -> ParameterGroup:
        """All parameters as one group, at the decoder's own ``lr_scale``."""
        return {"params": list(self.parameters()), "name": "decoder", "lr_scale": self.lr_scale}
