"""Rendering a field whose surface is a mesh; called as the volume renderer is."""

import torch
from torch import Generator, nn

from dream3d.contracts import material_of
from dream3d.render.environment import EnvironmentLight
from dream3d.render.rasterize import Fragments, rasterise
from dream3d.types import Camera, Explicit, Normals, Render, Shading


class MeshRenderer(nn.Module):
    """Renders any ``Explicit`` field: the colour of every visible point is the field's there.

    Every pixel is the mean of ``supersample``^2 ones, with gradient. Under a ``light`` colours are base
    colours of the field's material (``fields/material.py``), at steps whose shading is the plain albedo.
    """

    def __init__(self, *, supersample: int = 2, light: EnvironmentLight | None = None) -> None:
        super().__init__()
        if supersample < 1:
            raise ValueError(f"render.supersample: got {supersample}, expected at least 1")
        self.supersample, self.light = supersample, light

    def update(self, field: Explicit, step: int, generator: Generator) -> None:
        """Nothing to update."""

    def forward(
        self,
        field: Explicit,
        camera: Camera,
        generator: Generator | None = None,
        normals: Normals = "none",
        shading: Shading | None = None,
    ) -> Render:
        """The views of ``camera``. Normals cost nothing here and are always those of the mesh; ``normals``
        and ``generator`` are taken so that both renderers are called alike."""
        mesh, grid = field.extract()

        def colour(seen: Fragments, normal):
            value = field.surface(seen.point).colour
            if shading is not None:
                return shading(value, normal, seen.point, seen.view)
            if self.light is None:
                return value
            towards = torch.nn.functional.normalize(camera.c2w[seen.view, :3, 3] - seen.point, dim=-1)
            return self.light(value, lit_material(field)(seen.point), normal, towards)

        render = rasterise(mesh, camera, colour, supersample=self.supersample)
        return Render(render.image, render.depth, render.normal, render.rays, mesh=mesh, grid=grid)


def lit_material(field: Explicit) -> nn.Module:
    """The field's material. Raises ValueError where it has none."""
    material = material_of(field)
    if material is None:
        raise ValueError(
            f"render.light: got a light, but a {type(field).__name__} without a material, expected one; "
            "set refine.field.material or leave out refine.render.light"
        )
    return material
