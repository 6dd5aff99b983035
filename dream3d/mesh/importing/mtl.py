"""MTL material libraries: ``Kd`` and ``map_Kd``."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from dream3d.mesh.importing.materials import decoded
from dream3d.mesh.importing.scene import Array, TextureImage

OPTIONS = {"-s": 3, "-o": 3, "-t": 3, "-mm": 2, "-blendu": 1, "-blendv": 1, "-bm": 1, "-boost": 1, "-cc": 1,
           "-clamp": 1, "-imfchan": 1, "-texres": 1, "-type": 1, "-colorspace": 1}  # fmt: skip
"""Options of a map and how many values each has at most (the first three may have fewer)."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """``kd`` in sRGB values, as viewers show it; the texture; ``(su, sv, ou, ov)``: uv become ``s uv + o``."""

    kd: Array
    picture: TextureImage | None = None
    moved: tuple[float, float, float, float] = (1.0, 1.0, 0.0, 0.0)


WHITE = Material(np.ones(3))


def found(name: str, folder: Path) -> Path | None:
    """A file that an OBJ or MTL names: tolerates backslashes, foreign absolute paths and a different case."""
    plain = name.strip().strip('"').replace("\\", "/")
    for path in (folder / plain, folder / Path(plain).name):
        if path.is_file():
            return path
    beside = folder.iterdir() if folder.is_dir() else ()
    return next((f for f in beside if f.name.lower() == Path(plain).name.lower() and f.is_file()), None)


def library(file: Path) -> dict[str, Material]:
    """The materials of an MTL file."""
    materials: dict[str, Material] = {}
    name = None
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        word, _, rest = line.replace("\t", " ").strip().partition(" ")
        rest = rest.strip()
        if word == "newmtl":
            name = rest
            materials[name] = WHITE
        elif name is not None and word.lower() == "kd":
            kd = numbers(rest)
            if kd:
                materials[name] = replace(materials[name], kd=np.array((kd * 3)[:3] if len(kd) < 3 else kd[:3]))
        elif name is not None and word.lower() == "map_kd":
            materials[name] = mapped(materials[name], rest, file)
    return {key: unblackened(material) for key, material in materials.items()}


def unblackened(material: Material) -> Material:
    """A texture under Kd 0 0 0 is meant to be seen: exporters write that where the texture alone counts."""
    return replace(material, kd=np.ones(3)) if material.picture is not None and not material.kd.any() else material


def numbers(text: str) -> list[float]:
    """The leading numbers of a string.

    >>> numbers("0.5 1 # red"), numbers("spectral file.rfl")
    ([0.5, 1.0], [])
    """
    values = []
    for word in text.split():
        try:
            values.append(float(word))
        except ValueError:
            break
    return values


def mapped(material: Material, text: str, file: Path) -> Material:
    """A material with the texture given by the arguments of map_Kd."""
    options, name = split(text)
    path = found(name, file.parent)
    if path is None:
        log.warning("%s: the texture '%s' is not there; its material's plain colour is taken", file, name)
        return material
    try:
        pixels = decoded(path.read_bytes())
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        log.warning("%s: the texture cannot be read (%s); its material's plain colour is taken", path, error)
        return material
    wrap = "clamp" if options.get("-clamp", [""])[0] == "on" else "repeat"
    (su, sv), (ou, ov) = ((*numbers(" ".join(options.get(key, []))), *rest)[:2] for key, rest in PLACE.items())
    return replace(material, picture=TextureImage(pixels, (wrap, wrap)), moved=(su, sv, ou, ov))


PLACE = {"-s": (1.0, 1.0), "-o": (0.0, 0.0)}


def split(text: str) -> tuple[dict[str, list[str]], str]:
    """The options of a texture map and its file name, which may contain spaces.

    >>> split("-s 2 2 1 -clamp on a wall.png")
    ({'-s': ['2', '2', '1'], '-clamp': ['on']}, 'a wall.png')
    """
    words, options = text.split(), {}
    while words and words[0] in OPTIONS:
        key = words.pop(0)
        most = OPTIONS[key]
        options[key] = []
        while words and len(options[key]) < most and (key not in ("-s", "-o", "-t") or numbers(words[0])):
            options[key].append(words.pop(0))
    return options, " ".join(words)
