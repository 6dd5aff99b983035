"""What a latent shape looks like from a camera: the view that the network is shown.

The surface is extracted and shaded once a prompt and colour; a view then costs one ray a sample (Embree). The light is
directional and fixed in the world, above and somewhat in front: ``ambient + (1 - ambient) n.l`` times the albedo.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.cameras import pixel_rays, unflatten
from dream3d.geometry.normals import face_normals
from dream3d.geometry.ray_casting import Scene
from dream3d.priors.mini.latents import Latents
from dream3d.types import Mesh

AMBIENT = 0.8
LIGHT = torch.nn.functional.normalize(torch.tensor([0.0, 1.0, 0.35]), dim=0)
SUPERSAMPLE = 2


class ShadedSurface:
    """A mesh with its shading, ready to be seen from anywhere; closed, faces outwards."""

    def __init__(self, mesh: Mesh) -> None:
        assert mesh.colours is not None
        self.scene = Scene(mesh.vertices, mesh.faces)
        shade = AMBIENT + (1 - AMBIENT) * (face_normals(mesh.vertices, mesh.faces) @ LIGHT)
        self.corners = mesh.colours[mesh.faces] * shade[:, None, None]

    def view(self, camera: Float[Tensor, " 17"], size: int) -> Float[Tensor, "4 h w"]:
        """Premultiplied RGBA of ``size`` x ``size`` pixels, each the mean of 2 x 2 rays, on the CPU."""
        s = SUPERSAMPLE
        hits = self.scene.cast(pixel_rays(unflatten(camera[None], size * s)))
        seen = (hits.face >= 0).nonzero().squeeze(1)
        colour = torch.einsum("nc,nck->nk", hits.barycentric[seen], self.corners[hits.face[seen]])
        samples = torch.zeros(4, (size * s) ** 2)
        samples[:3, seen], samples[3, seen] = colour.T.clamp(max=1), 1.0
        return torch.nn.functional.avg_pool2d(samples.view(1, 4, size * s, size * s), s)[0]


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
