"""Reads PLY, STL and OFF as parts, with trimesh."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual import ColorVisuals, TextureVisuals
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from dream3d.mesh.importing.scene import Part, TextureImage


def read_other(file: Path) -> Iterator[Part]:
    """The parts of a file that trimesh reads; vertices at one place are joined in an STL, which has no others."""
    loaded = trimesh.load(file, process=False)
    shapes = loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]
    for shape in shapes:
        if isinstance(shape, trimesh.Trimesh) and len(shape.faces):
            yield part_of(shape, joined=file.suffix.lower() == ".stl")


def picture_of(shape: trimesh.Trimesh) -> Image.Image | None:
    """The base colour texture, whichever kind of material trimesh made of the file's; None where there is none."""
    material = shape.visual.material if isinstance(shape.visual, TextureVisuals) else None
    if isinstance(material, PBRMaterial):
        return material.baseColorTexture
    return material.image if isinstance(material, SimpleMaterial) else None


def part_of(shape: trimesh.Trimesh, joined: bool) -> Part:
    """A trimesh with its colours as sRGB values."""
    visual = shape.visual
    faces, vertices = np.asarray(shape.faces, np.int64), np.asarray(shape.vertices, np.float64)
    if isinstance(visual, TextureVisuals) and visual.uv is not None:
        uv = np.asarray(visual.uv, np.float64)
        image = picture_of(shape)
        picture = TextureImage(np.asarray(image.convert("RGBA"))) if isinstance(image, Image.Image) else None
        return Part(vertices, faces, uv=uv[:, :2], picture=picture)
    if isinstance(visual, ColorVisuals) and visual.kind == "face":
        colours = np.repeat(np.asarray(visual.face_colors)[:, :3] / 255, 3, axis=0)
        return Part(vertices[faces.reshape(-1)], np.arange(faces.size).reshape(-1, 3), colours=colours)
    if isinstance(visual, ColorVisuals) and visual.kind == "vertex":
        return Part(vertices, faces, colours=np.asarray(visual.vertex_colors)[:, :3] / 255)
    if joined:
        vertices, inverse = np.unique(vertices, axis=0, return_inverse=True)
        faces = inverse.reshape(-1)[faces]
    return Part(vertices, faces)
