"""From a field to a finished mesh: extract, clean, unwrap, bake, export."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dream3d.geometry.normals import vertex_normals
from dream3d.mesh.bake import bake
from dream3d.mesh.beneath import Fine
from dream3d.mesh.clean import Report, inspect, large, reduced, simplified
from dream3d.mesh.colour import visible_colour
from dream3d.mesh.delight import delit
from dream3d.mesh.export import FORMATS, SIZE_MM, TEXTURED, export
from dream3d.mesh.extract import find_isovalue, isosurface, sample
from dream3d.mesh.normal_map import normal_map
from dream3d.mesh.occlusion import ambient_occlusion
from dream3d.mesh.unwrap import atlas_of
from dream3d.types import Explicit, Field, Mesh

ON_SURFACE = (0.0, 1e-3, 1)
"""outside, inside and samples of the colours of an explicit field: at the surface, as it is rendered."""

LEAST = {"resolution": 8, "faces": 4, "size": 16, "refine": 0, "smoothing": 0, "occlusion": 0}
"""Ranges of the integer settings."""


def on_cpu(mesh: Mesh) -> Mesh:
    """A detached copy on the CPU, with normals."""
    parts = {name: part.detach().cpu() for name, part in vars(mesh).items() if part is not None}
    made = Mesh(**parts)
    if made.normals is not None:
        return made
    return replace(made, normals=vertex_normals(made.vertices, made.faces))


@dataclass(frozen=True)
class Build:
    """Settings of mesh extraction; ``conf/mesh/default.yaml`` documents each."""

    resolution: int = 128
    isovalue: float | int | str = "auto"
    refine: int = 5
    share: float | int = 0.02
    smoothing: int = 3
    faces: int = 15000
    size: int = 1024
    padding: int = 4
    outside: float | int = 0.015
    inside: float | int = 0.045
    colour_samples: int = 6
    chunk: int = 262144
    light: Sequence[float | int] | str | None = "auto"
    formats: Sequence[str] = ("glb", "obj")
    size_mm: float | int = SIZE_MM
    up: str = "y"
    front: str = "auto"
    occlusion: int = 0
    normal_map: bool = False
    lods: Sequence[int] = ()

    def __post_init__(self) -> None:
        unknown = [f for f in self.formats if f not in FORMATS]
        if unknown:
            raise ValueError(f"mesh.formats: got {unknown}, expected some of {list(FORMATS)}")
        if not 0 < self.size_mm < float("inf"):
            raise ValueError(f"mesh.size_mm: got {self.size_mm}, expected millimetres above 0")
        for name, least in LEAST.items():
            value = vars(self)[name]
            if not isinstance(value, int) or value < least:
                raise ValueError(f"mesh.{name}: got {value}, expected a whole number, at least {least}")
        budgets = (self.faces, *self.lods)
        if any(more <= less for more, less in itertools.pairwise(budgets)) or budgets[-1] < 4:
            raise ValueError(
                f"mesh.lods: got {list(self.lods)}, expected falling numbers of triangles, below mesh.faces "
                f"({self.faces}) and at least 4"
            )
        light = self.light
        if light is not None and light != "auto" and (isinstance(light, str) or len(light) != 4 or not any(light[:3])):
            raise ValueError(f"mesh.light: got {light}, expected auto, null or [x, y, z, ambient], not x = y = z = 0")

    def surface(self, field: Field) -> tuple[Mesh, bool]:
        """The field's surface before decimation, with smooth normals, on the CPU, without gradient; and whether it
        came ready. A field that has a mesh already (``types.Explicit``) is asked for it, others for their level
        set, which alone is smoothed.

        Raises:
            EmptyField, SolidField: there is no surface (both are ValueErrors).
        """
        if isinstance(field, Explicit):
            ready, grid = field.extract()
            if grid is None:
                return on_cpu(ready), True
            return large(Mesh(ready.vertices.detach().cpu(), ready.faces.cpu()), share=self.share, smoothing=0), False
        grid = sample(field, resolution=self.resolution, chunk=self.chunk)
        raw = isosurface(field, grid, find_isovalue(grid, self.isovalue), refine=self.refine, chunk=self.chunk)
        return large(raw, share=self.share, smoothing=self.smoothing), False

    def geometry(self, field: Field) -> Mesh:
        """A clean mesh with vertex colours and smooth normals: the ``surface`` decimated and closed. A mesh that
        came ready keeps its triangles, and its uv where they serve."""
        found, ready = self.surface(field)
        return self.coloured(found if ready else reduced(found, faces=self.faces), field)

    def coloured(self, mesh: Mesh, field: Field) -> Mesh:
        """The mesh with the field's colours at its vertices."""
        assert mesh.normals is not None
        outside, inside, samples = self.depths(field)
        colours = visible_colour(
            field, mesh.vertices, mesh.normals, outside=outside, inside=inside, samples=samples, chunk=self.chunk
        )
        return replace(mesh, colours=delit(colours, mesh.normals, self.known_light))

    def depths(self, field: Field) -> tuple[float | int, float | int, int]:
        """Where colours are gathered: of an explicit field at the surface, as it is rendered."""
        return ON_SURFACE if isinstance(field, Explicit) else (self.outside, self.inside, self.colour_samples)

    @property
    def known_light(self) -> Sequence[float | int] | None:
        """(x, y, z, ambient) of the light to divide out; ``auto`` is none unless the prior knows its light."""
        return None if isinstance(self.light, str) else self.light

    def textured(self, mesh: Mesh, field: Field, fine: Mesh) -> Mesh:
        """``unwrap`` and ``bake`` with these settings; normal map and ambient occlusion of the ``fine`` surface."""
        outside, inside, samples = self.depths(field)
        mesh = bake(
            atlas_of(mesh, size=self.size, padding=self.padding),
            field,
            size=self.size,
            outside=outside,
            inside=inside,
            samples=samples,
            chunk=self.chunk,
            light=self.known_light,
        )
        if self.normal_map:
            mesh = replace(mesh, normal_map=normal_map(mesh, Fine(fine), self.size))
        if self.occlusion:
            mesh = replace(mesh, occlusion=ambient_occlusion(mesh, Fine(fine), self.size, rays=self.occlusion))
        return mesh

    def levels(self, field: Field) -> Iterator[tuple[str, Mesh]]:
        """``mesh`` and its coarser copies ``mesh-lod1``, ``mesh-lod2``... (``lods``), with half the texels a side of
        the one before. Unwrapping and baking are left out where none of the ``formats`` has a texture."""
        fine, ready = self.surface(field)
        for level, faces in enumerate((self.faces, *self.lods)):
            if ready:
                small = simplified(fine, faces=faces) if level else fine
            else:
                small = reduced(fine, faces=faces)
            mesh = self.coloured(small, field)
            if set(self.formats) & set(TEXTURED):
                mesh = replace(self, size=max(min(64, self.size), self.size >> level)).textured(mesh, field, fine)
            yield f"mesh-lod{level}" if level else "mesh", mesh

    def make(self, field: Field) -> tuple[Mesh, Report]:
        """The textured mesh and its statistics; writes nothing."""
        _, mesh = next(replace(self, formats=TEXTURED).levels(field))
        return mesh, inspect(mesh)

    def __call__(self, field: Field, folder: Path) -> Mesh:
        """Make the mesh and write it and its coarser copies into ``folder`` in ``formats``."""
        meshes = dict(self.levels(field))
        for old in folder.glob("mesh-lod*"):
            old.unlink()
        for name, mesh in meshes.items():
            export(mesh, folder, self.formats, name, size_mm=float(self.size_mm))
        return meshes["mesh"]
