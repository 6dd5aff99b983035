"""A field to a finished mesh: extract, clean, unwrap, bake, export."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dream3d.geometry.normals import vertex_normals
from dream3d.mesh.bake import bake
from dream3d.mesh.clean import Report, clean, inspect
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


def to_mesh(
    field: Field,
    *,
    resolution: int = 128,
    isovalue: float | int | str = "auto",
    refine: int = 5,
    share: float | int = 0.02,
    smoothing: int = 3,
    faces: int = 15000,
    outside: float | int = 0.015,
    inside: float | int = 0.045,
    colour_samples: int = 6,
    chunk: int = 262144,
    light: Sequence[float | int] | None = None,
) -> Mesh:
    """A clean mesh with vertex colours and smooth normals; on the CPU, without gradient. A field that has a
    mesh already (``types.Explicit``) is asked for it, others for their level set, which alone is smoothed. A
    mesh that came ready keeps its triangles, and its uv where they serve.

    Raises:
        EmptyField, SolidField: there is no surface (both are ValueErrors).
        ValueError: a knob out of its range.
    """
    kept = None
    if isinstance(field, Explicit):
        outside, inside, colour_samples, smoothing = *ON_SURFACE, 0
        ready, grid = field.extract()
        raw = Mesh(ready.vertices.detach().cpu(), ready.faces.cpu())
        kept = on_cpu(ready) if grid is None else None
    else:
        grid = sample(field, resolution=resolution, chunk=chunk)
        raw = isosurface(field, grid, find_isovalue(grid, isovalue), refine=refine, chunk=chunk)
    mesh = clean(raw, share=share, smoothing=smoothing, faces=faces) if kept is None else kept
    assert mesh.normals is not None
    colours = visible_colour(
        field,
        mesh.vertices,
        mesh.normals,
        outside=outside,
        inside=inside,
        samples=colour_samples,
        chunk=chunk,
    )
    return replace(mesh, colours=delit(colours, mesh.normals, light))


def on_cpu(mesh: Mesh) -> Mesh:
    """All of a mesh that is kept, with normals."""
    parts = {name: part.detach().cpu() for name, part in vars(mesh).items() if part is not None}
    made = Mesh(**parts)
    if made.normals is not None:
        return made
    return replace(made, normals=vertex_normals(made.vertices, made.faces))


FINE = 2_000_000
"""Face budget of the surface whose normals are baked: none, in effect."""


@dataclass(frozen=True)
class Build:
    """The knobs of mesh making; ``conf/mesh/default.yaml`` says what each does."""

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
    lods: Sequence[int] | None = None

    def __post_init__(self) -> None:
        unknown = [f for f in self.formats if f not in FORMATS]
        if unknown:
            raise ValueError(f"mesh.formats: got {unknown}, expected some of {list(FORMATS)}")
        if not 0 < self.size_mm < float("inf"):
            raise ValueError(f"mesh.size_mm: got {self.size_mm}, expected millimetres above 0")
        for name, least in (("resolution", 8), ("faces", 4), ("size", 16), ("refine", 0), ("smoothing", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"mesh.{name}: got {value}, expected a whole number, at least {least}")
        for name, counts, least in (("occlusion", [self.occlusion], 0), ("lods", self.lods or (), 4)):
            if any(not isinstance(count, int) or count < least for count in counts):
                raise ValueError(f"mesh.{name}: got {getattr(self, name)}, expected whole numbers, at least {least}")
        light = self.light
        if light is not None and light != "auto" and (isinstance(light, str) or len(light) != 4 or not any(light[:3])):
            raise ValueError(f"mesh.light: got {light}, expected auto, null or [x, y, z, ambient], not x = y = z = 0")

    def geometry(self, field: Field) -> Mesh:
        """``to_mesh`` with these knobs."""
        return to_mesh(
            field,
            resolution=self.resolution,
            isovalue=self.isovalue,
            refine=self.refine,
            share=self.share,
            smoothing=self.smoothing,
            faces=self.faces,
            outside=self.outside,
            inside=self.inside,
            colour_samples=self.colour_samples,
            chunk=self.chunk,
            light=self.known_light,
        )

    @property
    def known_light(self) -> Sequence[float | int] | None:
        """(x, y, z, ambient) of the light to divide out; ``auto`` without a prior that knows is none."""
        return None if isinstance(self.light, str) else self.light

    def textured(self, mesh: Mesh, field: Field) -> Mesh:
        """``unwrap`` and ``bake`` with these knobs."""
        depths = (self.outside, self.inside, self.colour_samples)
        outside, inside, samples = ON_SURFACE if isinstance(field, Explicit) else depths
        baked = bake(
            atlas_of(mesh, size=self.size, padding=self.padding),
            field,
            size=self.size,
            outside=outside,
            inside=inside,
            samples=samples,
            chunk=self.chunk,
            light=self.known_light,
        )
        return self.detailed(baked, field)

    def detailed(self, mesh: Mesh, field: Field) -> Mesh:
        """With ambient occlusion and the normals of the surface before decimation, where they are asked for."""
        if self.normal_map:
            fine = replace(self, faces=FINE).geometry(field)
            mesh = replace(mesh, normal_map=normal_map(mesh, fine, self.size))
        if self.occlusion:
            mesh = replace(mesh, occlusion=ambient_occlusion(mesh, self.size, rays=self.occlusion))
        return mesh

    def make(self, field: Field) -> tuple[Mesh, Report]:
        """The textured mesh and what it is like; writes nothing."""
        mesh = self.textured(self.geometry(field), field)
        return mesh, inspect(mesh)

    def exportable(self, field: Field) -> Mesh:
        """The mesh that ``formats`` need: unwrapping and baking are left out where none has a texture."""
        mesh = self.geometry(field)
        return self.textured(mesh, field) if set(self.formats) & set(TEXTURED) else mesh

    def __call__(self, field: Field, folder: Path) -> Mesh:
        """Make the mesh and write it into ``folder`` in ``formats``."""
        mesh = self.exportable(field)
        export(mesh, folder, self.formats, size_mm=float(self.size_mm))
        for level, faces in enumerate(self.lods or (), 1):
            coarser = replace(self, faces=faces, size=max(64, self.size >> level), formats=("glb",), lods=None)
            export(coarser.exportable(field), folder, ["glb"], name=f"mesh-lod{level}")
        return mesh
