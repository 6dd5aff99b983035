"""Training views of coloured triangle meshes on the CPU, one core a call, GIL released.

The pictures are those of ``dream3d/render/reference.py`` (premultiplied RGBA, row 0 at the top, sRGB as it is), a
thousand a second and core where ray casting makes some dozens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from models import Model
from raster import draw

from dream3d.priors.mini.painting import AMBIENT, LIGHT, SUPERSAMPLE

SUN = LIGHT.numpy()
KEEPS = np.array([-1, -1, -1], np.float32)
"""The target colour that leaves a model as it is."""


@dataclass(frozen=True)
class Meshes:
    """Concatenated meshes; faces count the vertices of their own mesh from 0. ``ratio`` is ``Model.ratio``."""

    vertices: Float[np.ndarray, "v 3"]
    colours: Float[np.ndarray, "v 3"]
    ratio: Float[np.ndarray, " v"]
    faces: Int[np.ndarray, "f 3"]
    vertex_offset: Int[np.ndarray, " n1"]
    face_offset: Int[np.ndarray, " n1"]

    def __len__(self) -> int:
        return len(self.vertex_offset) - 1

    @classmethod
    def of(cls, models: Sequence[Model]) -> "Meshes":
        parts = [(m.vertices, m.colours, m.ratio, m.faces) for m in models]
        return cls.joined(*zip(*parts, strict=True))

    @classmethod
    def joined(
        cls,
        vertices: Sequence[np.ndarray],
        colours: Sequence[np.ndarray],
        ratio: Sequence[np.ndarray],
        faces: Sequence[np.ndarray],
    ) -> "Meshes":
        """One after the other."""
        offsets = (np.cumsum([0, *map(len, parts)]).astype(np.int64) for parts in (vertices, faces))
        floats = (np.concatenate(parts).astype(np.float32) for parts in (vertices, colours, ratio))
        return cls(*floats, np.concatenate(faces).astype(np.int32), *offsets)

    def followed_by(self, other: "Meshes") -> "Meshes":
        """Both; the other's meshes are numbered from ``len(self)`` on."""
        names = ("vertices", "colours", "ratio", "faces")
        arrays = [np.concatenate((getattr(self, name), getattr(other, name))) for name in names]
        starts = ("vertex_offset", "face_offset")
        ends = [np.concatenate((a := getattr(self, s), a[-1] + getattr(other, s)[1:])) for s in starts]
        return Meshes(*arrays, *ends)


def render(
    meshes: Meshes,
    which: Int[np.ndarray, " n"],
    colour: Float[np.ndarray, "n 3"],
    camera: Float[np.ndarray, "n 17"],
    out: UInt8[np.ndarray, "n h w 4"],
    supersample: int = SUPERSAMPLE,
) -> None:
    """Fill ``out`` with views of the meshes numbered ``which``, in a colour each (``KEEPS``: their own)."""
    draw(
        meshes.vertices, meshes.colours, meshes.ratio, meshes.faces, meshes.vertex_offset, meshes.face_offset,
        np.ascontiguousarray(which, np.int64), np.ascontiguousarray(colour, np.float32),
        np.ascontiguousarray(camera, np.float32), SUN, AMBIENT, supersample, out,
    )  # fmt: skip
