"""Rendering a field whose surface is a mesh; called as the volume renderer is."""

from torch import Generator, nn

from dream3d.render.raster import Fragments, rasterise
from dream3d.render.shading import Normals, Shading
from dream3d.types import Camera, Explicit, Render


class MeshRenderer(nn.Module):
    """Renders any ``Explicit`` field: the colour of every visible point is the field's there.

    Every pixel is the mean of ``supersample``^2 ones, with gradient.
    """

    def __init__(self, *, supersample: int = 2) -> None:
        super().__init__()
        if supersample < 1:
            raise ValueError(f"render.supersample: got {supersample}, expected at least 1")
        self.supersample = supersample

    def update(self, field: Explicit, step: int, generator: Generator) -> None:
        """There is nothing to keep up to date."""

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
            return value if shading is None else shading(value, normal, seen.point, seen.view)

        render = rasterise(mesh, camera, colour, supersample=self.supersample)
        return Render(render.image, render.depth, render.normal, render.rays, mesh=mesh, grid=grid)
