"""Meshes for 3D printing: z up, standing on the build plate, in millimetres; and 3MF, which has colours."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import torch

from dream3d.mesh.clean import welded
from dream3d.render.reference import texture_at
from dream3d.types import Mesh

PRINTED = ("stl", "3mf")
CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
MATERIAL = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
RELATION = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
MODEL = "3D/3dmodel.model"
CONTENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="{PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>
</Types>
"""
RELATIONS = f"""<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Target="/{MODEL}" Id="model" Type="{RELATION}"/>
</Relationships>
"""


def printable(mesh: Mesh, size_mm: float | int) -> Mesh:
    """The mesh with z up and its front towards -y, its longest side ``size_mm``, in the middle of the plate and
    standing on z = 0; float64.

    Raises:
        ValueError: a size that is not positive.
    """
    if not 0 < size_mm < float("inf"):
        raise ValueError(f"mesh.size_mm: got {size_mm}, expected millimetres above 0")
    x, y, z = mesh.vertices.double().unbind(1)
    vertices = torch.stack((x, -z, y), dim=1)
    used = vertices[mesh.faces.unique()]
    low, high = used.amin(0), used.amax(0)
    foot = torch.stack(((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]))
    longest = (high - low).max()
    return replace(mesh, vertices=(vertices - foot) * (size_mm / longest), normals=None, placement=None)


def coloured(mesh: Mesh) -> Mesh:
    """With vertex colours, sampled from the texture if there are none."""
    if mesh.colours is not None or mesh.texture is None or mesh.uv is None:
        return mesh
    return replace(mesh, colours=texture_at(mesh.texture, mesh.uv))


def to_3mf(mesh: Mesh) -> bytes:
    """3MF core 1.3 with a colour at every corner (materials extension 1.2, colorgroup); units are millimetres."""
    joined = welded(coloured(mesh))
    head = f'<model unit="millimeter" xml:lang="en-US" xmlns="{CORE}" xmlns:m="{MATERIAL}">\n<resources>\n'
    colours, which = palette(joined)
    group = ('<m:colorgroup id="1">', *(f'<m:color color="{c}"/>' for c in colours), "</m:colorgroup>")
    pick = 'pid="1" pindex="0"' if colours else ""
    parts = (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + head,
        *(group if colours else ()),
        f'<object id="2" type="model" {pick}><mesh><vertices>',
        *(f'<vertex x="{x:.6f}" y="{y:.6f}" z="{z:.6f}"/>' for x, y, z in joined.vertices.tolist()),
        "</vertices><triangles>",
        *triangles(joined, which if colours else None),
        '</triangles></mesh></object>\n</resources>\n<build><item objectid="2"/></build>\n</model>\n',
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        files = (("[Content_Types].xml", CONTENT), ("_rels/.rels", RELATIONS), (MODEL, "".join(parts)))
        for name, text in files:
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)  # always of the same date
    return buffer.getvalue()


def palette(mesh: Mesh) -> tuple[list[str], list[int]]:
    """The distinct colours as #RRGGBB, and the index of each vertex's."""
    if mesh.colours is None:
        return [], []
    rgb = (mesh.colours.clamp(0, 1) * 255).round().byte().numpy()
    different, which = np.unique(rgb, axis=0, return_inverse=True)
    return [f"#{r:02X}{g:02X}{b:02X}" for r, g, b in different], which.reshape(-1).tolist()


def triangles(mesh: Mesh, which: list[int] | None) -> Iterable[str]:
    """The triangle elements."""
    for a, b, c in mesh.faces.tolist():
        colour = "" if which is None else f' pid="1" p1="{which[a]}" p2="{which[b]}" p3="{which[c]}"'
        yield f'<triangle v1="{a}" v2="{b}" v3="{c}"{colour}/>'


def from_3mf(data: bytes) -> Mesh:
    """Read what ``to_3mf`` wrote: vertices, faces and vertex colours."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = ElementTree.fromstring(archive.read(MODEL))
    vertices = [[float(v.get(axis, "")) for axis in "xyz"] for v in root.iter(f"{{{CORE}}}vertex")]
    rows = list(root.iter(f"{{{CORE}}}triangle"))
    faces = torch.tensor([[int(row.get(name, "")) for name in ("v1", "v2", "v3")] for row in rows])
    table = [c.get("color", "")[1:7] for c in root.iter(f"{{{MATERIAL}}}color")]
    if not table:
        return Mesh(torch.tensor(vertices, dtype=torch.float64), faces)
    rgb = torch.tensor([[int(text[i : i + 2], 16) for i in (0, 2, 4)] for text in table]) / 255
    colours = torch.zeros(len(vertices), 3)
    colours[faces] = rgb[torch.tensor([[int(row.get(name, "")) for name in ("p1", "p2", "p3")] for row in rows])]
    return Mesh(torch.tensor(vertices, dtype=torch.float64), faces, colours)
