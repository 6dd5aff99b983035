"""Exports meshes as GLB, OBJ, PLY, STL and 3MF; files are written atomically."""

import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.exchange.obj import export_obj
from trimesh.visual import ColorVisuals, TextureVisuals
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from dream3d.mesh.check import check_file
from dream3d.mesh.clean import to_trimesh, welded
from dream3d.mesh.importing.container import Tree
from dream3d.mesh.normal_map import tangents
from dream3d.mesh.printing import PRINTED, printable, to_3mf
from dream3d.render.srgb import linear
from dream3d.types import Mesh

FORMATS = ("glb", "obj", "ply", *PRINTED)
TEXTURED = ("glb", "obj")
ROUGHNESS = 0.9
SIZE_MM = 80.0
"""The longest side of what is printed."""


def export(
    mesh: Mesh, folder: Path, formats: Sequence[str], name: str = "mesh", *, size_mm: float = SIZE_MM
) -> list[Path]:
    """``name.glb`` (PBR material with texture), ``name.obj`` (+ .mtl, .png), ``name.ply`` (vertex colours),
    into an existing folder; ``name.stl`` (shape alone) and ``name.3mf`` (colours at the vertices) are for
    printers (``printing.printable``). Returns every file written.

    Each is written beside its place, read back and compared (``check_file``), and only then takes its name.

    Raises:
        ValueError: a format that is not one of these, a mesh without faces, or a failed check.
        OSError: a folder that cannot be written to.
    """
    unknown = [f for f in formats if f not in FORMATS]
    if unknown:
        raise ValueError(f"mesh.formats: got {unknown}, expected some of {list(FORMATS)}")
    if len(mesh.faces) == 0:
        raise ValueError("export: got a mesh without faces, expected at least 1")
    mesh = in_place(mesh)
    written = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-") as temporary:
        for kind in dict.fromkeys(formats):
            wanted = printable(mesh, size_mm) if kind in PRINTED else mesh
            files = _files(wanted, kind, name)
            for file, data in files.items():
                (Path(temporary) / file).write_bytes(data)
            check_file(Path(temporary) / f"{name}.{kind}", wanted)
            # What refers to other files comes last, so that it never points to something missing.
            for file in sorted(files, key=lambda f: f.endswith(f".{kind}")):
                os.replace(Path(temporary) / file, folder / file)
                written.append(folder / file)
    return written


def in_place(mesh: Mesh) -> Mesh:
    """The mesh at the position and scale of its source file; unchanged without one."""
    if mesh.placement is None:
        return mesh
    placement = mesh.placement.double()
    return replace(mesh, vertices=mesh.vertices.double() * placement[3] + placement[:3], placement=None)


def _files(mesh: Mesh, kind: str, name: str) -> dict[str, bytes]:
    """The contents of the file(s) of one format."""
    if kind == "glb":
        data = export_glb(
            _glb(mesh, name), include_normals=mesh.normals is not None, tree_postprocessor=_attributes_by_name
        )
        return {f"{name}.glb": data}
    if kind == "obj":
        return _obj(mesh, name)
    if kind == "3mf":
        return {f"{name}.3mf": to_3mf(mesh)}
    joined = welded(mesh)
    shape = to_trimesh(joined)
    if kind == "ply" and joined.colours is not None:
        shape.visual = ColorVisuals(shape, vertex_colors=_rgba(joined.colours))
    return {f"{name}.{kind}": _bytes(shape, kind)}


def _bytes(shape: trimesh.Trimesh, kind: str) -> bytes:
    buffer = io.BytesIO()
    shape.export(buffer, file_type=kind)
    return buffer.getvalue()


def _glb(mesh: Mesh, name: str) -> trimesh.Trimesh:
    shape = _with_normals(mesh)
    if mesh.texture is not None and mesh.uv is not None:
        material = PBRMaterial(name=name, baseColorTexture=_picture(mesh.texture), **_surface(mesh), **_detail(mesh))
        shape.visual = TextureVisuals(uv=mesh.uv.numpy(), material=material)
        if mesh.normal_map is not None:  # with its frame: some programs would make another one up
            tangent, sign = tangents(mesh)
            shape.vertex_attributes["tangent"] = torch.cat((tangent, sign[:, None]), dim=1).float().numpy()
    elif mesh.colours is not None:
        # glTF 2.0 section 3.7.2.1: COLOR_0 is linear, where textures are sRGB; in bytes dark ones would differ.
        shape.vertex_attributes["colour"] = linear(mesh.colours.clamp(0, 1)).float().numpy()
    return shape


ATTRIBUTES = {"_colour": "COLOR_0", "_tangent": "TANGENT"}


def _attributes_by_name(tree: Tree) -> None:
    """Rename float attributes to glTF's colours and tangents, which trimesh does not write itself."""
    for part in tree["meshes"]:
        for primitive in part["primitives"]:
            named = primitive["attributes"]
            primitive["attributes"] = {ATTRIBUTES.get(name, name): index for name, index in named.items()}


def _surface(mesh: Mesh) -> Tree:
    """Roughness and metallic: one constant, or a texture (glTF 2.0 section 3.9.2: green, blue; linear)."""
    if mesh.material is None:
        return {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
    texels = torch.cat((torch.zeros_like(mesh.material[..., :1]), mesh.material), dim=-1)
    return {"metallicFactor": 1.0, "roughnessFactor": 1.0, "metallicRoughnessTexture": _picture(texels)}


def _detail(mesh: Mesh) -> Tree:
    """Ambient occlusion (red) and the tangent-space normal map, where they were baked (glTF 2.0 section 3.9.3)."""
    grey = None if mesh.occlusion is None else mesh.occlusion.expand(-1, -1, 3)
    texels = {"occlusionTexture": grey, "normalTexture": mesh.normal_map}
    return {name: _picture(texture) for name, texture in texels.items() if texture is not None}


def _obj(mesh: Mesh, name: str) -> dict[str, bytes]:
    shape = _with_normals(mesh)
    if mesh.texture is not None and mesh.uv is not None:
        white = [255, 255, 255, 255]
        material = SimpleMaterial(
            name=name, image=_picture(mesh.texture), diffuse=white, ambient=white, specular=[0, 0, 0, 255]
        )
        material.name = name
        shape.visual = TextureVisuals(uv=mesh.uv.numpy(), material=material)
    elif mesh.colours is not None:
        shape.visual = ColorVisuals(shape, vertex_colors=_rgba(mesh.colours))
    text, files = export_obj(
        shape,
        include_normals=mesh.normals is not None,
        return_texture=True,
        mtl_name=f"{name}.mtl",
        header="dream3d",
    )
    return {f"{name}.obj": text.encode(), **files}


def _with_normals(mesh: Mesh) -> trimesh.Trimesh:
    shape = to_trimesh(mesh)
    if mesh.normals is not None:
        shape.vertex_normals = mesh.normals.double().numpy()
    return shape


def _picture(texture: torch.Tensor) -> Image.Image:
    picture = Image.fromarray((texture.clamp(0, 1) * 255).round().byte().numpy())
    picture.format = "PNG"
    return picture


def _rgba(colours: torch.Tensor) -> np.ndarray:
    """Opaque 8-bit RGBA."""
    rgb = (colours.clamp(0, 1) * 255).round().byte().numpy()
    return np.concatenate((rgb, np.full((len(rgb), 1), 255, np.uint8)), axis=1)
