"""Checks from its files whether a diffusers folder is complete and of a known kind, before anything is loaded."""

import json
import struct
from pathlib import Path

from dream3d.errors import UserError
from dream3d.priors.loading.components import (
    ENCODERS,
    NETWORKS,
    WITH_WEIGHTS,
    component_class,
    read_index,
    wanted,
)

POINTER = b"version https://git-lfs"


def problems(folder: Path) -> list[str]:
    """What is missing or wrong, each with its fix; empty when the folder can be loaded."""
    try:
        index = read_index(folder)
    except UserError as error:
        return [str(error)]
    parts = wanted(index)
    found = []
    if not any(role in parts for role in NETWORKS):
        found.append("model_index.json lists neither unet nor transformer; choose a text-to-image folder")
    if not any(role in parts for role in ENCODERS) and "image_encoder" not in index:
        found.append("model_index.json lists no text encoder; choose a folder that has one")
    if "scheduler" not in parts:
        found.append("model_index.json lists no scheduler; choose a text-to-image folder")
    for role, (library, name) in parts.items():
        found += part_problems(folder / role, role, library, name)
    return found


def part_problems(place: Path, role: str, library: str, name: str) -> list[str]:
    """The same for one part."""
    try:
        component_class(role, library, name)
    except UserError as error:
        return [str(error)]
    if not place.is_dir():
        missing = "the text encoder is missing" if role in ENCODERS else "it is missing"
        return [f"{role} is listed but {missing} ({place}); finish the download"]
    return weights_problems(place) if role in WITH_WEIGHTS else []


def weights_problems(place: Path) -> list[str]:
    """No weights, a shard missing, a file cut short, a git-lfs pointer in place of the file."""
    for shards in sorted(place.glob("*.index*.json")):
        listed = set(json.loads(shards.read_text())["weight_map"].values())
        lost = sorted(name for name in listed if not (place / name).is_file())
        others = [f for f in weights_files(place) if f.name not in listed]
        if lost and not others:
            return [f"{place} lacks {len(lost)} of {len(listed)} weights files ({lost[0]}); finish the download"]
    files = weights_files(place)
    if not files:
        return [f"{place} has no weights (.safetensors or .bin); finish the download"]
    return [f"{file} {reason}" for file in files if (reason := damage(file))]


def weights_files(place: Path) -> list[Path]:
    """Safetensors files, or .bin files where there are none."""
    safe = sorted(place.glob("*.safetensors"))
    return safe or sorted(place.glob("*.bin"))


def weight_of(folder: Path) -> int:
    """Bytes of all weights that a prior reads of a folder."""
    return sum(file.stat().st_size for role in WITH_WEIGHTS for file in weights_files(folder / role))


def damage(file: Path) -> str | None:
    """Why a weights file is not whole, from its size and header; None when it looks whole."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(len(POINTER))
        if head.startswith(POINTER):
            return "is a git-lfs pointer, not the weights; run git lfs pull"
        if file.suffix != ".safetensors":
            return None if size > 0 else "is empty; download it again"
        if size < 8:
            return "is empty; download it again"
        stream.seek(0)
        length = struct.unpack("<Q", stream.read(8))[0]
        if length > size - 8:
            return "is cut short; download it again"
        try:
            header = json.loads(stream.read(length))
        except (UnicodeDecodeError, json.JSONDecodeError):
            return "is not a safetensors file; download it again"
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    expected = 8 + length + max(ends, default=0)
    return None if size == expected else f"is cut short ({size} of {expected} bytes); download it again"
