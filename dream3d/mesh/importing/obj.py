"""Reads Wavefront OBJ as parts, one a material: polygons, relative indices, vertex colours, material libraries."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dream3d.errors import UserError
from dream3d.mesh.importing.mtl import WHITE, Material, found, library
from dream3d.mesh.importing.polygons import cut
from dream3d.mesh.importing.scene import Array, Part, linear

log = logging.getLogger(__name__)
Corner = tuple[int, int]  # vertex, texture coordinate (-1: none)


@dataclass
class Statements:
    """The statements of an OBJ file, in order."""

    v: list[list[float]] = field(default_factory=list)
    vt: list[list[float]] = field(default_factory=list)
    polygons: dict[str, list[list[Corner]]] = field(default_factory=dict)  # by material
    materials: dict[str, Material] = field(default_factory=dict)


def read_obj(file: Path) -> Iterator[Part]:
    """The parts of an OBJ file.

    Raises:
        UserError: an index of a vertex that is not there, with its line; or words that are no numbers.
    """
    said = statements(file)
    positions, colours = vertices_of(said.v)
    uv = np.array([[*row, 0.0, 0.0][:2] for row in said.vt]).reshape(-1, 2)
    for name, polygons in said.polygons.items():
        corners, faces = cut(polygons, positions)
        material = said.materials.get(name, WHITE)
        factor = np.append(linear(material.kd), 1.0)
        yield part_of(corners, faces, positions, colours, uv, factor, material)


def part_of(
    corners: Array, faces: Array, positions: Array, colours: Array | None, uv: Array, factor: Array, material: Material
) -> Part:
    """Triangles of one material; a vertex for every pair of position and texture coordinate."""
    code = corners[:, 0] * (max(len(uv), corners[:, 1].max(initial=0)) + 2) + corners[:, 1] + 1
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    v, vt = corners[first].T
    su, sv, ou, ov = material.moved
    own = uv[vt] * (su, sv) + (ou, ov) if len(uv) and 0 <= vt.min() <= vt.max() < len(uv) else None
    return Part(
        positions[v],
        inverse.reshape(-1)[faces],
        uv=own,
        colours=None if colours is None else colours[v],
        factor=factor,
        picture=material.picture,
    )


def vertices_of(rows: list[list[float]]) -> tuple[Array, Array | None]:
    """Positions, and colours where vertices have some (x y z r g b; in bytes where one is above 1)."""
    if not rows:
        return np.zeros((0, 3)), None
    widths = {len(row) for row in rows}
    positions = np.array([row[:3] for row in rows]) if min(widths) >= 3 else None
    if positions is None:
        raise ValueError("a vertex with fewer than 3 coordinates")
    if max(widths) < 6:
        return positions, None
    colours = np.array([row[3:6] if len(row) >= 6 else (1.0, 1.0, 1.0) for row in rows])
    return positions, colours / 255 if colours.max() > 1 else colours


def statements(file: Path) -> Statements:
    """The relevant lines of the file, continued lines (``\\``) joined."""
    said, name = Statements(), ""
    for number, line in lines(file):
        word, rest = line[0], line[1:]
        try:
            if word == "v":
                said.v.append([float(x) for x in rest])
            elif word == "vt":
                said.vt.append([float(x) for x in rest])
            elif word in ("f", "fo"):
                polygon = [corner(x, len(said.v), len(said.vt)) for x in rest]
                said.polygons.setdefault(name, []).append(polygon)
            elif word == "usemtl":
                name = " ".join(rest)
            elif word == "mtllib":
                said.materials |= libraries(file, " ".join(rest))
        except (ValueError, IndexError) as error:
            text = " ".join(line)[:60]
            raise UserError(
                f"{file}: got '{text}' in line {number} ({error}), expected OBJ; export it again"
            ) from error
    return said


def lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and tokens of every non-empty line."""
    held = ""
    with file.open("rb") as data:
        start = data.read(2)
    encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    with file.open(encoding=encoding, errors="replace") as text:
        for number, line in enumerate(text, 1):
            whole = held + line.rstrip()
            if whole.endswith("\\"):
                held = whole[:-1] + " "
                continue
            held = ""
            words = whole.partition("#")[0].split() if not whole.startswith(("usemtl", "mtllib")) else whole.split()
            if words:
                yield number, words


def corner(text: str, v: int, vt: int) -> Corner:
    """``v``, ``v/vt``, ``v//vn`` or ``v/vt/vn``; negative indices count back from the latest element.

    >>> corner("-1/2", 4, 3)
    (3, 1)
    """
    parts = text.split("/")
    return index(parts[0], v), index(parts[1], vt) if len(parts) > 1 and parts[1] else -1


def index(text: str, count: int) -> int:
    """From 0. Vertices may be used before they are listed, so the upper bound is checked later."""
    number = int(text)
    if number == 0 or number < -count:
        raise ValueError(f"there is no {number} among {count}")
    return number - 1 if number > 0 else count + number


def libraries(file: Path, names: str) -> dict[str, Material]:
    """The materials of one mtllib line; a missing library is skipped with a warning."""
    whole = found(names, file.parent)
    materials: dict[str, Material] = {}
    for name in [names] if whole else names.split():
        path = found(name, file.parent)
        if path is None:
            log.warning("%s: the material library '%s' is not there; its colours are left out", file, name)
        else:
            materials |= library(path)
    return materials
