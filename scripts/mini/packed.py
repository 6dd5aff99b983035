"""The packed data set that the shipped prior is made from: read its files into a ``Library``.

``meshes.npz.xz`` (and, behind it, ``extra.npz.xz``) hold decimated, vertex-coloured models as differences between
consecutive vertices; ``concepts.json`` the nouns; ``cards.json`` what is known of each model.
"""

import io
import json
import lzma
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from models import Concept, Library, Model

MESHES, EXTRA = "meshes.npz.xz", "extra.npz.xz"
Arrays = dict[str, np.ndarray]


def is_packed(folder: Path) -> bool:
    """Is this folder a packed data set rather than one of mesh files?"""
    return (folder / MESHES).is_file()


def read_packed(folder: Path) -> Library:
    """All concepts and their models. Raises OSError, KeyError or lzma's error for a damaged data set."""
    cards = json.loads((folder / "cards.json").read_text())
    models = {model.name: model for model in decoded(unpacked(folder / MESHES), cards)}
    if (folder / EXTRA).is_file():
        models |= {model.name: model for model in decoded(unpacked_extra(folder / EXTRA), cards)}
    listed = json.loads((folder / "concepts.json").read_text())["concepts"]
    concepts = {noun: Concept(tuple(c.get("aliases", ())), tuple(c["models"])) for noun, c in listed.items()}
    return Library({name: models[name] for concept in concepts.values() for name in concept.models}, concepts)


def decoded(arrays: Arrays, cards: dict[str, dict]) -> Iterator[Model]:
    """The models of concatenated arrays, whose faces count each model's vertices from 0."""
    v, f = arrays["vertex_offset"], arrays["face_offset"]
    for i, name in enumerate(map(str, arrays["ids"])):
        of_vertices, of_faces = slice(v[i], v[i + 1]), slice(f[i], f[i + 1])
        colours = arrays["colors"][of_vertices].astype(np.float32) / 255
        tint, card = arrays["tint"][of_vertices], cards[name]
        vertices, faces = arrays["vertices"][of_vertices], arrays["faces"][of_faces]
        yield Model(name, vertices, colours, tint, faces, bool(card["recolor"]), card["color"], card["style"])


def read(file: Path) -> Arrays:
    with np.load(io.BytesIO(lzma.decompress(file.read_bytes()))) as packed:
        return {name: packed[name] for name in packed.files}


def unpacked(file: Path) -> Arrays:
    """meshes.npz.xz: zigzag differences in two bytes; a corner coded 0 is the next vertex not seen yet."""
    z = read(file)
    v, f = z["vertex_offset"], z["face_offset"]
    step = unzigzag((z["v_low"].astype(np.int64) | z["v_high"].astype(np.int64) << 8).T)
    code = z["f_low"].astype(np.int32) | z["f_high"].astype(np.int32) << 8
    colours, faces = np.empty(step.shape, np.uint8), np.empty((f[-1], 3), np.int32)
    for i in range(len(z["ids"])):
        colours[v[i] : v[i + 1]] = np.cumsum(z["c_delta"].T[v[i] : v[i + 1]], 0, dtype=np.uint8)
        corner = code[3 * f[i] : 3 * f[i + 1]]
        new = np.cumsum(corner == 0)
        faces[f[i] : f[i + 1]] = (new - 1 + (corner > 0) - corner).reshape(-1, 3)
    places = (summed(step, v) + 0.5) * (2 / 2 ** int(z["bits"])) - 1
    tint = np.unpackbits(z["tint_bits"])[: v[-1]]
    return {
        "ids": z["ids"], "vertices": places.astype(np.float32), "colors": colours, "tint": tint, "faces": faces,
        "vertex_offset": v, "face_offset": f,
    }  # fmt: skip


def unpacked_extra(file: Path) -> Arrays:
    """extra.npz.xz: zigzag differences in three bytes, 16 bits of position, the rest as it is."""
    z = read(file)
    low, mid, high = (z[name].astype(np.int64) for name in ("v_low", "v_mid", "v_high"))
    places = summed(unzigzag((low | mid << 8 | high << 16).T), z["vertex_offset"]) / 32767.5 - 1
    return {
        "ids": z["ids"], "vertices": places.astype(np.float32), "colors": z["colors"].T.copy(),
        "tint": np.unpackbits(z["tint"])[: len(places)], "faces": z["faces"].T.astype(np.int32).copy(),
        "vertex_offset": z["vertex_offset"], "face_offset": z["face_offset"],
    }  # fmt: skip


def unzigzag(code: np.ndarray) -> np.ndarray:
    """0, 1, 2, 3, 4 to 0, -1, 1, -2, 2."""
    return (code >> 1) ^ -(code & 1)


def summed(step: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Cumulative sums within each model."""
    return np.concatenate([np.cumsum(step[a:b], 0) for a, b in pairwise(offset)])
