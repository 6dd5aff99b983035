"""JSON and binary data of a glTF 2.0 file: GLB chunks, external files, data URIs, accessors."""

import base64
import json
import logging
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from dream3d.errors import UserError

Tree = dict[str, Any]
"""A glTF object: JSON, whose properties are checked where they are read."""

Array = np.ndarray
KINDS = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
CONVERT = {
    **dict.fromkeys(MESHOPT, "npx gltfpack -noq -i in.glb -o out.glb"),
    "KHR_texture_basisu": "npx @gltf-transform/cli ktxdecompress in.glb out.glb",
    "KHR_draco_mesh_compression": "npx @gltf-transform/cli dequantize in.glb out.glb",
}
UNDERSTOOD = {
    "KHR_draco_mesh_compression", "KHR_mesh_quantization", "KHR_texture_transform", "EXT_texture_webp",
    "KHR_materials_pbrSpecularGlossiness", "EXT_mesh_gpu_instancing",
}  # fmt: skip
HARMLESS = ("KHR_materials_", "KHR_lights_", "EXT_lights_", "KHR_animation_", "KHR_xmp", "KHR_node_", "KHR_audio")
"""Beginnings of extensions that change neither the shape nor the base colour."""
log = logging.getLogger(__name__)


class Container:
    """A glTF file's JSON and buffers."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.tree, self.binary = chunks(file)
        refuse_unknown(file, self.tree)
        self.buffer = lru_cache(None)(self._buffer)

    def all(self, name: str) -> list[Any]:
        """A top-level list; empty if absent."""
        return self.tree.get(name, [])

    def data(self, uri: str) -> bytes:
        """The bytes behind a URI: embedded, or in a file relative to this one."""
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        beside = self.file.parent / unquote(uri).replace("\\", "/")
        if not beside.is_file():
            raise FileNotFoundError(f"{self.file}: got no file '{uri}' beside it, expected one; keep them together")
        return beside.read_bytes()

    def _buffer(self, index: int) -> bytes:
        buffer = self.tree["buffers"][index]
        if "uri" not in buffer and index == 0 and self.binary is not None:
            return self.binary
        if "uri" not in buffer:
            raise UserError(f"{self.file}: got buffer {index} without data, expected some; export it again")
        try:
            return self.data(buffer["uri"])
        except FileNotFoundError as error:
            raise UserError(str(error)) from error

    def view(self, index: int) -> bytes:
        """The bytes of a buffer view."""
        view = self.tree["bufferViews"][index]
        for name in MESHOPT:
            if name in view.get("extensions", {}):
                raise compressed(self.file, name)
        start = view.get("byteOffset", 0)
        found = self.buffer(view["buffer"])[start : start + view["byteLength"]]
        if len(found) < view["byteLength"]:
            raise UserError(f"{self.file}: got {len(found)} bytes, expected {view['byteLength']}; the file is cut off")
        return found

    def accessor(self, index: int) -> Array:
        """An accessor as it is stored, ``count x width`` (section 3.6.2), sparse values applied."""
        a = self.tree["accessors"][index]
        width, count = WIDTHS[a["type"]], a["count"]
        if "bufferView" in a:
            view = self.tree["bufferViews"][a["bufferView"]]
            values = self._packed(a, width, count, view.get("byteStride"))
        else:
            values = np.zeros((count, width), KINDS[a["componentType"]])
        if sparse := a.get("sparse"):
            where = self._packed(sparse["indices"], 1, sparse["count"])[:, 0]
            values = values.copy()
            values[where] = self._packed({**sparse["values"], "componentType": a["componentType"]}, width, len(where))
        return values

    def _packed(self, a: Tree, width: int, count: int, stride: int | None = None) -> Array:
        kind = np.dtype(KINDS[a["componentType"]]).newbyteorder("<")
        stride = stride or width * kind.itemsize
        data, start = self.view(a["bufferView"]), a.get("byteOffset", 0)
        if count and start + stride * (count - 1) + width * kind.itemsize > len(data):
            raise UserError(f"{self.file}: got too few bytes for {count} values; the file is damaged, export it again")
        return np.ndarray((count, width), kind, data, start, (stride, kind.itemsize))

    def numbers(self, index: int) -> Array:
        """An accessor as float64; normalised integers become [0, 1] or [-1, 1] (section 3.11)."""
        return floats(self.accessor(index), self.tree["accessors"][index].get("normalized", False))


def floats(values: Array, normalized: bool) -> Array:
    """float64. Normalised: ``c / 255``, ``max(c / 127, -1)``, and so on."""
    if not normalized or values.dtype.kind == "f":
        return values.astype(np.float64)
    return np.maximum(values / np.iinfo(values.dtype).max, -1)


def chunks(file: Path) -> tuple[Tree, bytes | None]:
    """The JSON and, of a GLB, the binary chunk (section 4.4)."""
    data = file.read_bytes()
    binary = None
    if data[:4] == b"glTF":
        parts, at = {}, 12
        while at + 8 <= len(data):
            length, kind = struct.unpack_from("<I4s", data, at)
            parts.setdefault(kind, data[at + 8 : at + 8 + length])
            at += 8 + length
        if struct.unpack_from("<I", data, 4)[0] == 1:
            raise old(file, "1")
        data, binary = parts.get(b"JSON", b""), parts.get(b"BIN\0")
    try:
        tree = json.loads(data)
    except ValueError as error:
        raise UserError(
            f"{file}: got a file that cannot be read (no glTF JSON in it); expected a whole GLB, OBJ or PLY"
        ) from error
    version = str(tree.get("asset", {}).get("version", "2.0"))
    if not version.startswith("2"):
        raise old(file, version)
    return tree, binary


def old(file: Path, version: str) -> UserError:
    """The error message for glTF 1.0."""
    return UserError(
        f"{file}: got glTF {version}, expected 2.0; convert it with npx gltf-pipeline -i in.gltf -o out.glb"
    )


def compressed(file: Path, extension: str) -> UserError:
    """The error message for an unsupported extension."""
    way = f"convert it with {CONVERT[extension]}" if extension in CONVERT else "export it again without"
    return UserError(f"{file}: got the extension {extension}, expected a file without it; {way}")


def refuse_unknown(file: Path, tree: Tree) -> None:
    """Raise UserError for a required extension that is not supported."""
    for name in tree.get("extensionsRequired", []):
        if name not in UNDERSTOOD and not name.startswith(HARMLESS) and name not in ("KHR_texture_basisu", *MESHOPT):
            raise compressed(file, name)
        if name in MESHOPT:
            raise compressed(file, name)
