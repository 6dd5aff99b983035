"""A mesh that stays as it is, triangle by triangle; only what colours it is trained."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dream3d.fields.movable import OPAQUE
from dream3d.types import Mesh, Surface

SHAPE = ("vertices", "faces", "normals", "uv", "placement")


class Fixed(nn.Module):
    """An ``Explicit`` field: ``mesh``, coloured by ``appearance``, which is trained at ``colour_scale`` of
    the rate. Of an appearance that is an explicit field itself, the last stage's, only its colours go on.

    The mesh is part of the state: a checkpoint needs no other file. ``material`` makes a ``Material``.
    """

    moves = False

    def __init__(
        self,
        *,
        appearance: nn.Module,
        mesh: Mesh,
        colour_scale: float = 1.0,
        material: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        for name in SHAPE:
            self.register_buffer(name, getattr(mesh, name))
        inner = getattr(appearance, "appearance", appearance)
        assert isinstance(inner, nn.Module)
        self.appearance, self.colour_scale = inner, colour_scale
        self.material = None if material is None else material()

    def at_step(self, step: int) -> None:
        """Passed on to the appearance."""
        if hasattr(self.appearance, "at_step"):
            self.appearance.at_step(step)  # type: ignore[operator]

    def extract(self) -> tuple[Mesh, None]:
        """The mesh itself."""
        return Mesh(**{name: getattr(self, name) for name in SHAPE}), None

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """A surface is opaque, wherever it is."""
        return x.new_full((len(x),), OPAQUE)

    def surface(self, x: Float[Tensor, "n 3"]) -> Surface:
        """The appearance's colour."""
        return Surface(self.density(x), self.appearance.surface(x).colour)  # type: ignore[operator]

    def parameter_groups(self) -> list[dict[str, Any]]:
        groups = self.appearance.parameter_groups()  # type: ignore[operator]
        scaled = [{**g, "lr_scale": self.colour_scale * g["lr_scale"]} for g in groups]
        return scaled if self.material is None else [*scaled, *self.material.parameter_groups()]  # type: ignore[operator]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """The saved mesh takes the place of the present one, whatever their sizes."""
        for name in SHAPE:
            saved = state_dict.get(prefix + name)
            setattr(self, name, None if saved is None else torch.empty_like(saved))
        super()._load_from_state_dict(state_dict, prefix, *rest)
