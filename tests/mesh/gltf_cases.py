"""A writer of small glTF and OBJ files with known colours, from the specifications alone."""

import base64
import io
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

TEXELS = np.array([[(200, 100, 50), (40, 160, 90)], [(10, 20, 240), (250, 240, 0)]], np.uint8)
"""Rows from the top; each is enlarged to 8 x 8 texels, so that the middle of one is far from the others."""
KINDS = {
    np.dtype(k): n for n, k in ((5120, "i1"), (5121, "u1"), (5122, "i2"), (5123, "u2"), (5125, "u4"), (5126, "f4"))
}
QUARTERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def picture() -> np.ndarray:
    return TEXELS.repeat(8, axis=0).repeat(8, axis=1)


def linear(value: np.ndarray) -> np.ndarray:
    value = np.asarray(value, float)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def srgb(light: np.ndarray) -> np.ndarray:
    light = np.asarray(light, float)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


@dataclass
class Quad:
    """Four quarters of a square of side 2 in the plane z = 0 around (x, 0), each of one texel's colour."""

    kind: str  # textured, vertex, plain, nothing
    factor: float | None
    x: float = 0.0
    tint: tuple[float, float, float] = (1.0, 0.5, 0.25)

    def corners(self) -> np.ndarray:
        """16 vertices: each quarter has its own."""
        return np.array([(self.x + i - 1 + a, j - 1 + b, 0.0) for i, j in QUARTERS for a, b in SQUARE])

    def uv(self) -> np.ndarray:
        """As in glTF: v = 0 at the top. Every quarter is inside of one texel."""
        return np.array(
            [((i + 0.3 + 0.4 * a) / 2, (1 - j + 0.7 - 0.4 * b) / 2) for i, j in QUARTERS for a, b in SQUARE]
        )

    def light(self) -> np.ndarray:
        """Linear vertex colours, one a quarter."""
        each = linear(np.array([TEXELS[1 - j, i] for i, j in QUARTERS]) / 255)
        return each.repeat(4, axis=0)

    def faces(self) -> np.ndarray:
        return np.array([(4 * q + a, 4 * q + b, 4 * q + c) for q in range(4) for a, b, c in ((0, 1, 2), (0, 2, 3))])

    def multiplier(self) -> np.ndarray:
        """The factor, linear RGB."""
        if self.kind == "nothing" or self.factor is None:
            return np.ones(3)
        return self.factor * np.array(self.tint)

    def expected(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Points and what colour the formula gives there: sRGB, 0 to 255."""
        base = self.light()[::4] if self.kind in ("textured", "vertex") else np.ones((4, 3))
        middles = self.corners().reshape(4, 4, 3).mean(1)
        return list(zip(middles, 255 * srgb(base * self.multiplier()), strict=True))


SQUARE = ((0, 0), (1, 0), (1, 1), (0, 1))


@dataclass
class Writer:
    """A glTF file in the making; everything is one buffer, as a data URI."""

    data: bytearray = field(default_factory=bytearray)
    tree: dict = field(default_factory=lambda: {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}]})

    def view(self, data: bytes) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        self.append("bufferViews", {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)})
        self.data += data
        return len(self.tree["bufferViews"]) - 1

    def append(self, name: str, item: dict) -> int:
        self.tree.setdefault(name, []).append(item)
        return len(self.tree[name]) - 1

    def accessor(self, values: np.ndarray, normalized: bool = False) -> int:
        values = np.ascontiguousarray(values)
        kind = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}[1 if values.ndim == 1 else values.shape[1]]
        item = {"bufferView": self.view(values.tobytes()), "componentType": KINDS[values.dtype], "count": len(values)}
        return self.append("accessors", {**item, "type": kind, **({"normalized": True} if normalized else {})})

    def values(self, values: np.ndarray, integers: bool) -> int:
        """As floats, or as normalised 16-bit integers of values in [0, 1]."""
        if not integers:
            return self.accessor(values.astype("f4"))
        return self.accessor(np.rint(values * 65535).astype("u2"), normalized=True)

    def texture(self, pixels: np.ndarray, kind: str = "PNG", sampler: dict | None = None) -> int:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
        image = self.append("images", {"bufferView": self.view(buffer.getvalue()), "mimeType": f"image/{kind.lower()}"})
        extra = {} if sampler is None else {"sampler": self.append("samplers", sampler)}
        return self.append("textures", {"source": image, **extra})

    def node(self, primitives: list[dict], **place: object) -> None:
        mesh = self.append("meshes", {"primitives": primitives})
        self.tree["scenes"][0]["nodes"].append(self.append("nodes", {"mesh": mesh, **place}))

    def save(self, file: Path) -> Path:
        if file.suffix == ".glb":
            text = json.dumps({**self.tree, "buffers": [{"byteLength": len(self.data)}]}).encode()
            text += b" " * (-len(text) % 4)
            data = bytes(self.data) + b"\0" * (-len(self.data) % 4)
            head = struct.pack("<4sIIII", b"glTF", 2, 28 + len(text) + len(data), len(text), 0x4E4F534A)
            file.write_bytes(head + text + struct.pack("<II", len(data), 0x004E4942) + data)
        else:
            uri = "data:application/octet-stream;base64," + base64.b64encode(bytes(self.data)).decode()
            file.write_text(json.dumps({**self.tree, "buffers": [{"byteLength": len(self.data), "uri": uri}]}))
        return file


def quad_primitive(writer: Writer, quad: Quad, integers: bool = False, alpha: str = "OPAQUE") -> dict:
    """The quad as a primitive, with a material of its own unless it has nothing."""
    attributes = {"POSITION": writer.accessor(quad.corners().astype("f4"))}
    primitive = {"attributes": attributes, "indices": writer.accessor(quad.faces().astype("u2").ravel())}
    base: dict = {} if quad.factor is None else {"baseColorFactor": [*quad.multiplier(), 1.0]}
    if quad.kind == "textured":
        attributes["TEXCOORD_0"] = writer.values(quad.uv(), integers)
        base["baseColorTexture"] = {"index": writer.texture(picture())}
    elif quad.kind == "vertex":
        attributes["COLOR_0"] = writer.values(quad.light(), integers)
    if quad.kind != "nothing":
        material = {"pbrMetallicRoughness": base, "alphaMode": alpha}
        primitive["material"] = writer.append("materials", material)
    return primitive


def write_gltf(file: Path, quads: list[Quad], integers: bool, alpha: str) -> Path:
    """A node for each quad."""
    writer = Writer()
    for quad in quads:
        writer.node([quad_primitive(writer, quad, integers, alpha)])
    return writer.save(file)


def write_obj(file: Path, quads: list[Quad]) -> Path:
    """A material for each quad; indices count back from the end."""
    Image.fromarray(picture()).save(file.with_name("texels.png"))
    mtl, obj = [], ["mtllib colours.mtl"]
    for number, quad in enumerate(quads):
        colours = srgb(quad.light()) if quad.kind == "vertex" else None
        for i, place in enumerate(quad.corners()):
            obj.append("v " + " ".join(f"{x:.6f}" for x in (*place, *(() if colours is None else colours[i]))))
        obj += [f"vt {u:.6f} {1 - v:.6f}" for u, v in quad.uv()]
        if quad.kind != "nothing":
            obj.append(f"usemtl m{number}")
            mtl += [f"newmtl m{number}", "Kd " + " ".join(f"{x:.6f}" for x in srgb(quad.multiplier()))]
            mtl += ["map_Kd .\\texels.png"] if quad.kind == "textured" else []
        obj += ["f " + " ".join(f"{i - 16}/{i - 16}" for i in face) for face in quad.faces()]
    file.with_name("colours.mtl").write_text("\n".join(mtl))
    file.write_text("\n".join(obj) + "\n")
    return file
