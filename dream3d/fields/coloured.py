"""What every field that is a surface of triangles has: a colour, and perhaps a material."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from dream3d.contracts import ParameterGroup, at_step, parameter_groups
from dream3d.types import Surface

OPAQUE = 1e4


class Coloured(nn.Module):
    """A surface whose colour is that of ``appearance``, a field, trained at ``colour_scale`` of the rate.
    ``material`` makes a ``Material``, if the surface is to have one. Where the surface is, subclasses say."""

    def __init__(self, appearance: nn.Module, colour_scale: float, material: Callable[[], nn.Module] | None) -> None:
        super().__init__()
        self.appearance, self.colour_scale = appearance, colour_scale
        self.material = None if material is None else material()

    def at_step(self, step: int) -> None:
        """Passed on to the appearance."""
        at_step(self.appearance, step)

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """A surface is opaque, wherever it is."""
        return x.new_full((len(x),), OPAQUE)

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        """The appearance's colour."""
        return Surface(self.density(x), self.appearance.surface(x).colour)  # type: ignore[operator]

    def parameter_groups(self) -> list[ParameterGroup]:
        """Those of the appearance, scaled, and of the material."""
        groups = parameter_groups(self.appearance)
        scaled: list[ParameterGroup] = [{**g, "lr_scale": self.colour_scale * g["lr_scale"]} for g in groups]
        return scaled if self.material is None else [*scaled, *parameter_groups(self.material)]
