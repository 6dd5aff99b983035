"""A mesh that stays as it is, triangle by triangle; only what colours it is trained."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dream3d.fields.coloured import Coloured
from dream3d.types import Mesh

SHAPE = ("vertices", "faces", "normals", "uv", "placement")


class FrozenMesh(Coloured):
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
        inner = getattr(appearance, "appearance", appearance)
        assert isinstance(inner, nn.Module)
        super().__init__(inner, colour_scale, material)
        for name in SHAPE:
            self.register_buffer(name, getattr(mesh, name))

    def extract(self) -> tuple[Mesh, None]:
        """The mesh itself."""
        return Mesh(**{name: getattr(self, name) for name in SHAPE}), None

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """The saved mesh takes the place of the present one, whatever their sizes."""
        for name in SHAPE:
            saved = state_dict.get(prefix + name)
            setattr(self, name, None if saved is None else torch.empty_like(saved))
        super()._load_from_state_dict(state_dict, prefix, *rest)
