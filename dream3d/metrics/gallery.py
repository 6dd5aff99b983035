"""Reference models of the embedded prior's benchmark nouns."""

from functools import cache
from pathlib import Path

import numpy as np
import torch

from dream3d.types import Mesh

FILE = Path(__file__).parent / "gallery.npz"
SCALE = 32767.5  # of vertices in [-1, 1] as uint16


@cache
def nouns() -> tuple[str, ...]:
    """The nouns in the gallery."""
    with np.load(FILE) as packed:
        return tuple(map(str, packed["nouns"]))


def typical(noun: str) -> Mesh:
    """The model of a noun, with vertex colours, in the unit ball. Raises KeyError for a noun that is not there."""
    if noun not in nouns():
        raise KeyError(noun)
    i = nouns().index(noun)
    with np.load(FILE) as packed:
        v, f = slice(*packed["vertex_offset"][i : i + 2]), slice(*packed["face_offset"][i : i + 2])
        vertices, colours, faces = packed["vertices"][v], packed["colours"][v], packed["faces"][f]
    return Mesh(
        torch.from_numpy(vertices.astype(np.float32) / SCALE - 1),
        torch.from_numpy(faces.astype(np.int64)),
        colours=torch.from_numpy(colours.astype(np.float32) / 255),
    )


def pack(meshes: dict[str, Mesh], file: Path = FILE) -> None:
    """Write a gallery: vertices to 1/32768, colours to 1/255. Meshes need vertex colours and lie in [-1, 1]^3."""
    parts = list(meshes.values())
    colours = [m.colours for m in parts if m.colours is not None]
    np.savez_compressed(
        file,
        nouns=np.array(list(meshes)),
        vertices=np.concatenate([((m.vertices + 1) * SCALE).round().numpy().astype(np.uint16) for m in parts]),
        colours=np.concatenate([(c * 255).round().numpy().astype(np.uint8) for c in colours]),
        faces=np.concatenate([m.faces.numpy().astype(np.uint16) for m in parts]),
        vertex_offset=np.cumsum([0, *(len(m.vertices) for m in parts)]),
        face_offset=np.cumsum([0, *(len(m.faces) for m in parts)]),
    )
