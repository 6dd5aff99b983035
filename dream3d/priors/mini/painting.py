"""What a latent shape looks like from a camera: the view that the network is shown.

The surface is extracted and shaded once a prompt and colour; a view then costs one ray a sample (Embree). The light is
directional and fixed in the world, above and somewhat in front: ``ambient + (1 - ambient) n.l`` times the albedo.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.geometry.normals import face_normals
from dream3d.geometry.ray_casting import Scene
from dream3d.priors.mini.latents import Latents
from dream3d.types import Mesh

AMBIENT = 0.8
LIGHT = torch.nn.functional.normalize(torch.tensor([0.0, 1.0, 0.35]), dim=0)
SUPERSAMPLE = 2


class ShadedSurface:
    """A mesh with its shading, ready to be seen from anywhere; closed, faces outwards.

    In numpy: a view is many small steps on the CPU, which cost torch several times as much.
    """

    def __init__(self, mesh: Mesh) -> None:
        assert mesh.colours is not None
        self.scene = Scene(mesh.vertices, mesh.faces)
        low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
        self.corners = torch.cartesian_prod(*torch.stack((low, high), dim=1)).numpy()
        shade = AMBIENT + (1 - AMBIENT) * (face_normals(mesh.vertices, mesh.faces) @ LIGHT)
        a, b, c = (mesh.colours[mesh.faces] * shade[:, None, None]).clamp(max=1).unbind(1)
        self.linear = torch.stack((a, b - a, c - a), dim=1).numpy()  # colour = a + u (b - a) + v (c - a)

    def view(self, camera: Float[Tensor, " 17"], size: int) -> Float[Tensor, "4 h w"]:
        """Premultiplied RGBA of ``size`` x ``size`` pixels, each the mean of 2 x 2 rays, on the CPU."""
        edge = size * SUPERSAMPLE
        rows, columns = self.window(camera, edge)
        origin, directions = rays_through(camera, edge, rows, columns)
        face, u, v = self.scene.first(
            np.broadcast_to(origin, directions.shape).reshape(-1, 3), directions.reshape(-1, 3)
        )
        seen = np.flatnonzero(face >= 0)
        weights = np.stack((np.ones(len(seen), np.float32), u[seen], v[seen]), axis=1)
        part = np.zeros((len(face), 4), np.float32)
        part[seen, :3] = np.einsum("nk,nkc->nc", weights, self.linear[face[seen]])
        part[seen, 3] = 1
        samples = np.zeros((edge, edge, 4), np.float32)
        samples[rows, columns] = part.reshape(*directions.shape[:2], 4)
        pixels = samples.reshape(size, SUPERSAMPLE, size, SUPERSAMPLE, 4).mean((1, 3))
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def window(self, camera: Float[Tensor, " 17"], edge: int) -> tuple[slice, slice]:
        """Rows and columns that may see the mesh: those of its bounding box, or all where the camera is inside that."""
        rotation, position, tangent = pose(camera)
        local = (self.corners - position) @ rotation
        if local[:, 2].max() > -1e-3:
            return slice(0, edge), slice(0, edge)
        at = (local[:, :2] / -local[:, 2:] / tangent * (0.5, -0.5) + 0.5) * edge
        first = np.floor(at.min(0)).clip(0, edge - 1).astype(int)
        last = np.maximum(np.ceil(at.max(0)).clip(1, edge).astype(int), first + 1)
        return slice(first[1], last[1]), slice(first[0], last[0])


def pose(camera: Float[Tensor, " 17"]) -> tuple[np.ndarray, np.ndarray, np.floating]:
    """Rotation, position and the tangent of half the field of view."""
    numbers = camera.numpy()
    c2w = numbers[:16].reshape(4, 4)
    return c2w[:3, :3], c2w[:3, 3], np.tan(numbers[16] / 2)


def rays_through(
    camera: Float[Tensor, " 17"], edge: int, rows: slice, columns: slice
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "h w 3"]]:
    """The common origin and the directions of rays through the centres of some of ``edge`` x ``edge`` pixels
    (``cameras.pixel_rays``); directions not of unit length, which finding the first surface does not need."""
    rotation, position, tangent = pose(camera)
    at = ((np.arange(edge, dtype=np.float32) + 0.5) / edge * 2 - 1) * tangent
    right, up, back = rotation.T
    return position, at[columns][None, :, None] * right - (at[rows][:, None, None] * up + back)


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
