"""A dense voxel grid without a network, as in SJC (arXiv 2212.00774, section 5)."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from dream3d.contracts import ParameterGroup
from dream3d.fields.activation import softplus
from dream3d.fields.decoder import Activation, Initial, density_of
from dream3d.fields.encoding import trilinear
from dream3d.fields.initial import level
from dream3d.fields.latents import colours
from dream3d.types import Surface


class Voxel(nn.Module):
    """``density = activation(exp(scale) grid(x) + initial(x))``, ``colour = sigmoid(grid(x))``, trilinear.

    Density starts at 0 (so ``initial`` alone decides), colours at N(0, std^2). The learned ``scale``
    (``learned_scale: true``, as in SJC) lets all densities grow together. Values sit on the size^3
    vertices of the cube round the unit ball.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        size: int = 100,
        colour_channels: int = 3,
        std: float = 1.0,
        learned_scale: bool = True,
        initial: Initial = level,
        activation: Activation = softplus,
        lr_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if size < 2:
            raise ValueError(f"field.size: got {size}, expected >= 2 vertices a side")
        self.size = size
        self.raw_density = nn.Parameter(torch.zeros(size**3, 1))
        self.raw_colour = nn.Parameter(std * torch.randn(size**3, colour_channels, generator=generator))
        self.scale = nn.Parameter(torch.zeros(()), requires_grad=learned_scale)
        self.colours = colours(colour_channels)
        self.initial = initial
        self.activation = activation
        self.lr_scale = lr_scale

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        raw = trilinear(self.raw_density, x, self.size)[:, 0] * self.scale.exp()
        return density_of(raw, x, self.initial, self.activation)

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        return Surface(self.density(x), self.colours(trilinear(self.raw_colour, x, self.size)))

    def parameter_groups(self) -> list[ParameterGroup]:
        trained = [p for p in self.parameters() if p.requires_grad]
        return [{"params": trained, "name": "voxels", "lr_scale": self.lr_scale}]
