"""glTF materials: base colour factor and texture, or those of specular-glossiness."""

import io
import logging
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from dream3d.mesh.importing.container import Container, Tree, compressed
from dream3d.mesh.importing.scene import Array, TextureImage, Wrap

WRAPS: dict[int, Wrap] = {33071: "clamp", 33648: "mirror", 10497: "repeat"}
NEAREST = 9728
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Paint:
    """What is read of a material: linear RGBA factor, texture, its uv set and uv transform."""

    factor: Array
    picture: TextureImage | None = None
    channel: int = 0
    transform: Array | None = None
    cutoff: float | None = None


WHITE = Paint(np.ones(4))
"""The material of what has none."""


class Materials:
    """A file's materials; every image is decoded once."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.paint = lru_cache(None)(self._paint)
        self.picture = lru_cache(None)(self._picture)

    def _paint(self, index: int | None) -> Paint:
        """Material ``index``; white for None (section 3.7.2.1)."""
        if index is None:
            return WHITE
        material = self.container.tree["materials"][index]
        specular = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
        if specular is not None:
            factor, texture = specular.get("diffuseFactor"), specular.get("diffuseTexture")
        else:
            base = material.get("pbrMetallicRoughness", {})
            factor, texture = base.get("baseColorFactor"), base.get("baseColorTexture")
        cutoff = float(material.get("alphaCutoff", 0.5)) if material.get("alphaMode") == "MASK" else None
        rgba = np.ones(4) if factor is None else np.array(factor, np.float64)
        if texture is None:
            return Paint(rgba, cutoff=cutoff)
        moved = texture.get("extensions", {}).get("KHR_texture_transform", {})
        channel = moved.get("texCoord", texture.get("texCoord", 0))
        return Paint(rgba, self.picture(texture["index"]), channel, transform(moved), cutoff)

    def _picture(self, index: int) -> TextureImage | None:
        """Texture ``index``. One that cannot be read is skipped with a warning."""
        texture = self.container.tree["textures"][index]
        extensions = texture.get("extensions", {})
        source = extensions.get("EXT_texture_webp", {}).get("source", texture.get("source"))
        if source is None:
            name = next(iter(extensions), None)
            if name is None:
                return None
            raise compressed(self.container.file, name)
        samplers = self.container.all("samplers")
        sampler = samplers[texture["sampler"]] if "sampler" in texture else {}
        wrap = WRAPS.get(sampler.get("wrapS", 10497), "repeat"), WRAPS.get(sampler.get("wrapT", 10497), "repeat")
        pixels = self._pixels(source)
        return None if pixels is None else TextureImage(pixels, wrap, sampler.get("magFilter") == NEAREST)

    def _pixels(self, source: int) -> Array | None:
        image = self.container.tree["images"][source]
        try:
            data = self.container.view(image["bufferView"]) if "bufferView" in image else self._file(image)
            return decoded(data)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            name = image.get("uri", f"image {source}")[:80]
            log.warning("%s: the texture '%s' is left out (%s)", self.container.file, name, error)
            return None

    def _file(self, image: Tree) -> bytes:
        return self.container.data(image["uri"])


def decoded(data: bytes) -> Array:
    """8-bit RGBA of an image file of any format and bit depth."""
    picture: Image.Image = Image.open(io.BytesIO(data))
    if picture.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(picture).astype(np.float64) / 257
        picture = Image.fromarray(np.rint(grey).clip(0, 255).astype(np.uint8))
    return np.asarray(picture.convert("RGBA"))


def transform(moved: Tree) -> Array | None:
    """KHR_texture_transform as a matrix (``2 3``): offset + rotation x scale."""
    if not moved.keys() & {"offset", "rotation", "scale"}:
        return None
    (x, y), angle = moved.get("offset", (0, 0)), moved.get("rotation", 0)
    c, s = np.cos(angle), np.sin(angle)
    turned = np.array([[c, s], [-s, c]]) * moved.get("scale", (1, 1))
    return np.column_stack((turned, (x, y)))
