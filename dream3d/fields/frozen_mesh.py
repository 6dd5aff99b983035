"""A mesh with fixed geometry."""

from typing import Any

import torch
from torch import Tensor, nn

from dream3d.types import Mesh

SHAPE = ("vertices", "faces", "normals", "uv", "placement")


class FrozenMesh(nn.Module):
    """The shape of a ``MeshField``: ``mesh``. It is part of the state: a checkpoint needs no other file."""

    def __init__(self, mesh: Mesh) -> None:
        super().__init__()
        for name in SHAPE:
            self.register_buffer(name, vars(mesh)[name])

    def extract(self) -> tuple[Mesh, None]:
        """The mesh itself."""
        buffers: Any = dict(self.named_buffers())  # those that are None are left out, as ``Mesh`` has them
        return Mesh(**buffers), None

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """Replace the current mesh by the saved one, of any size."""
        for name in SHAPE:
            saved = state_dict.get(prefix + name)
            setattr(self, name, None if saved is None else torch.empty_like(saved))
        super()._load_from_state_dict(state_dict, prefix, *rest)
