"""What a latent shape looks like from a camera: the view that the network is shown.

The surface is extracted and shaded once a prompt and colour; a view then costs one ray a sample (Embree). The light is
directional and fixed in the world, above and somewhat in front: ``ambient + (1 - ambient) n.l`` times the albedo.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.geometry.normals import face_normals
from dream3d.geometry.ray_casting import Scene
from dream3d.priors.mini.latents import Latents
from dream3d.types import Mesh, Rays

AMBIENT = 0.8
LIGHT = torch.nn.functional.normalize(torch.tensor([0.0, 1.0, 0.35]), dim=0)
SUPERSAMPLE = 2


class ShadedSurface:
    """A mesh with its shading, ready to be seen from anywhere; closed, faces outwards."""

    def __init__(self, mesh: Mesh) -> None:
        assert mesh.colours is not None
        self.scene = Scene(mesh.vertices, mesh.faces)
        low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
        self.corners = torch.cartesian_prod(*torch.stack((low, high), dim=1))
        shade = AMBIENT + (1 - AMBIENT) * (face_normals(mesh.vertices, mesh.faces) @ LIGHT)
        a, b, c = (mesh.colours[mesh.faces] * shade[:, None, None]).clamp(max=1).unbind(1)
        self.linear = torch.cat((a, b - a, c - a), dim=1)  # colour = a + u (b - a) + v (c - a)

    def view(self, camera: Float[Tensor, " 17"], size: int) -> Float[Tensor, "4 h w"]:
        """Premultiplied RGBA of ``size`` x ``size`` pixels, each the mean of 2 x 2 rays, on the CPU."""
        edge = size * SUPERSAMPLE
        rows, columns = self.window(camera, edge)
        hits = self.scene.cast(rays_through(camera, edge, rows, columns))
        seen = (hits.face >= 0).nonzero().squeeze(1)
        base, along_u, along_v = self.linear[hits.face[seen]].split(3, dim=1)
        weight = hits.barycentric[seen]
        part = torch.zeros(len(hits.face), 4)
        part[seen, :3] = base + weight[:, 1:2] * along_u + weight[:, 2:] * along_v
        part[seen, 3] = 1.0
        samples = torch.zeros(1, 4, edge, edge)
        samples[0, :, rows, columns] = part.T.view(4, rows.stop - rows.start, columns.stop - columns.start)
        return torch.nn.functional.avg_pool2d(samples, SUPERSAMPLE)[0]

    def window(self, camera: Float[Tensor, " 17"], edge: int) -> tuple[slice, slice]:
        """Rows and columns that may see the mesh: those of its bounding box, or all where the camera is inside that."""
        c2w = camera[:16].view(4, 4)
        local = (self.corners - c2w[:3, 3]) @ c2w[:3, :3]
        if float(local[:, 2].max()) > -1e-3:
            return slice(0, edge), slice(0, edge)
        at = local[:, :2] / -local[:, 2:] / torch.tan(camera[16] / 2) * torch.tensor([0.5, -0.5]) + 0.5
        first = (at.amin(0) * edge).floor().long().clamp(0, edge - 1).tolist()
        last = (at.amax(0) * edge).ceil().long().clamp(1, edge).tolist()
        return slice(first[1], max(last[1], first[1] + 1)), slice(first[0], max(last[0], first[0] + 1))


def rays_through(camera: Float[Tensor, " 17"], edge: int, rows: slice, columns: slice) -> Rays:
    """Rays through the centres of some of ``edge`` x ``edge`` pixels (``cameras.pixel_rays``); directions not of unit
    length, which finding the first surface does not need."""
    c2w = camera[:16].view(4, 4)
    at = ((torch.arange(edge) + 0.5) / edge * 2 - 1) * torch.tan(camera[16] / 2)
    right, up, back = c2w[:3, :3].unbind(1)
    direction = at[columns][None, :, None] * right - at[rows][:, None, None] * up - back
    return Rays(c2w[:3, 3].expand(1, *direction.shape), direction[None])


@dataclass
class Painter:
    """Views of the latents by (name, colour); ``order`` numbers the shapes that embeddings refer to.

    Losses ask for the same cameras several times a step (inversion, students), so the last call's views are kept.
    """

    latents: Latents
    order: list[tuple[str, tuple[float, float, float] | None]] = field(default_factory=list)
    surfaces: dict[int, ShadedSurface] = field(default_factory=dict)
    recent: dict[tuple[int, int, bytes], Float[Tensor, "4 h w"]] = field(default_factory=dict)

    def number(self, name: str, colour: tuple[float, float, float] | None) -> int:
        """The number of a shape in a colour, 0 being "nothing painted"."""
        if (name, colour) not in self.order:
            self.order.append((name, colour))
        return 1 + self.order.index((name, colour))

    def surface(self, number: int) -> ShadedSurface:
        """Extracted at its first use."""
        if number not in self.surfaces:
            self.surfaces[number] = ShadedSurface(self.mesh(number))
        return self.surfaces[number]

    def mesh(self, number: int) -> Mesh:
        """The surface of a shape in its colour: albedo, no shading."""
        name, colour = self.order[number - 1]
        return self.latents.surface(name).recoloured(None if colour is None else torch.tensor(colour))

    def paint(
        self, numbers: Int[Tensor, " b"] | Sequence[int], camera: Float[Tensor, "b 17"], size: int
    ) -> Float[Tensor, "b 4 h w"]:
        """A view for each row, zeros where the number is 0 or no camera is given, on the camera's device."""
        drawn: dict[tuple[int, int, bytes], Float[Tensor, "4 h w"]] = {}
        rows = []
        for number, one in zip(map(int, numbers), camera.detach().float().cpu(), strict=True):
            key = number, size, one.numpy().tobytes()
            if key not in drawn:
                drawn[key] = self.recent[key] if key in self.recent else self.view(number, one, size)
            rows.append(drawn[key])
        self.recent = drawn
        return torch.stack(rows).to(camera.device)

    def view(self, number: int, camera: Float[Tensor, " 17"], size: int) -> Float[Tensor, "4 h w"]:
        """One shape from one camera, on the CPU."""
        if number == 0 or not bool(camera.abs().sum() > 0):
            return torch.zeros(4, size, size)
        return self.surface(number).view(camera, size)
