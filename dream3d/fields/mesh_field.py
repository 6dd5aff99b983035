"""Mesh fields: a shape, an appearance (the coarse field provides the colours) and an optional material. The functions
make the usual combinations; a configuration names one."""

import inspect
from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from dream3d.contracts import MeshShape, ParameterGroup, TrainableField, at_step, parameter_groups
from dream3d.fields.dmtet import DMTet
from dream3d.fields.flexicubes import FlexiCubes
from dream3d.fields.frozen_mesh import FrozenMesh
from dream3d.fields.movable_nodes import Distance
from dream3d.types import Mesh, SignedGrid, Surface

OPAQUE = 1e4


class MeshField(nn.Module):
    """An ``Explicit`` field: the mesh of ``shape``, in the colours of ``appearance``, which is trained at
    ``colour_scale`` of its rates. ``material`` makes a ``Material``, if the surface is to have one.

    Of an appearance that is a ``MeshField`` itself, the last stage's, only its appearance goes on.
    """

    def __init__(
        self,
        shape: MeshShape,
        appearance: TrainableField,
        *,
        colour_scale: float = 1.0,
        material: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.colour_scale = shape, colour_scale
        self.appearance = appearance.appearance if isinstance(appearance, MeshField) else appearance
        self.material = None if material is None else material()

    def at_step(self, step: int) -> None:
        """Passed on to the appearance."""
        at_step(self.appearance, step)

    def extract(self) -> tuple[Mesh, SignedGrid | None]:
        """The shape's mesh."""
        return self.shape.extract()

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """A surface is opaque, wherever it is."""
        return x.new_full((len(x),), OPAQUE)

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        """The appearance's colour."""
        return Surface(self.density(x), self.appearance.surface(x).colour)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Those of the shape, of the appearance, scaled, and of the material."""
        colour: list[ParameterGroup] = [
            {**group, "lr_scale": self.colour_scale * group["lr_scale"]} for group in parameter_groups(self.appearance)
        ]
        parts = [self.shape, *([] if self.material is None else [self.material])]
        shape, *material = (parameter_groups(part) for part in parts)
        return [group for groups in (shape, colour, *material) for group in groups if group["params"]]


def keeps_mesh(make: Callable[..., MeshField]) -> bool:
    """Whether this function takes a fixed mesh, rather than signed distances to optimise."""
    return "mesh" in inspect.signature(make).parameters


def dmtet(
    *,
    appearance: TrainableField,
    distance: Distance,
    resolution: int = 48,
    levels: Sequence[int] = (6, 12, 24),
    reach: float = 0.2,
    lr_scale: float = 1.0,
    colour_scale: float = 1.0,
    material: Callable[[], nn.Module] | None = None,
) -> MeshField:
    """A ``DMTet`` that starts from signed ``distance``."""
    shape = DMTet(distance, resolution=resolution, levels=levels, reach=reach, lr_scale=lr_scale)
    return MeshField(shape, appearance, colour_scale=colour_scale, material=material)


def flexicubes(
    *,
    appearance: TrainableField,
    distance: Distance,
    resolution: int = 48,
    levels: Sequence[int] = (6, 12, 24),
    reach: float = 0.4,
    lr_scale: float = 1.0,
    weight_scale: float = 1.0,
    colour_scale: float = 1.0,
    material: Callable[[], nn.Module] | None = None,
) -> MeshField:
    """``FlexiCubes`` that start from signed ``distance``."""
    shape = FlexiCubes(
        distance, resolution=resolution, levels=levels, reach=reach, lr_scale=lr_scale, weight_scale=weight_scale
    )
    return MeshField(shape, appearance, colour_scale=colour_scale, material=material)


def frozen(
    *,
    appearance: TrainableField,
    mesh: Mesh,
    colour_scale: float = 1.0,
    material: Callable[[], nn.Module] | None = None,
) -> MeshField:
    """A ``FrozenMesh``: only what colours it is trained."""
    return MeshField(FrozenMesh(mesh), appearance, colour_scale=colour_scale, material=material)
