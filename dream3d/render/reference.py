"""Reference pictures of a given mesh: soft-lit, two-sided, antialiased by supersampling, no gradient.

They are what the embedded prior is trained on and what ``priors/renders.py`` knows.
"""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from dream3d.cameras import pixel_rays
from dream3d.geometry.normals import face_normals
from dream3d.geometry.ray_casting import Scene
from dream3d.types import Camera, Image, Mesh

AMBIENT = 0.65


def random_light(generator: Generator) -> Float[Tensor, "3"]:
    """A unit direction to a light above and somewhat in front of the object, fixed in the world."""
    jitter = 0.5 * torch.randn(3, generator=generator)
    return torch.nn.functional.normalize(torch.tensor([0.0, 1.0, 0.35]) + jitter, dim=0)


DEFAULT_LIGHT = torch.nn.functional.normalize(torch.tensor([0.0, 1.0, 0.35]), dim=0)


def soft_shading(
    normal: Float[Tensor, "n 3"], view: Float[Tensor, "n 3"], light: Float[Tensor, "3"], ambient: float
) -> Float[Tensor, " n"]:
    """``ambient + (1 - ambient) n.l`` with the normal turned to the viewer (``view`` points away)."""
    facing = torch.where((normal * view).sum(-1, keepdim=True) > 0, -normal, normal)
    return ambient + (1 - ambient) * (facing @ light)


def texture_at(texture: Float[Tensor, "h w c"], uv: Float[Tensor, "n 2"]) -> Float[Tensor, "n c"]:
    """Bilinear look-up; uv has v = 0 at the bottom, the texture its row 0 at the top."""
    grid = torch.stack((2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]), dim=-1)[None, :, None]
    sampled = torch.nn.functional.grid_sample(
        texture.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False
    )
    return sampled[0, :, :, 0].T


class Reference:
    """A mesh prepared for rendering: with its texture, or else its vertex colours.

    ``attributes`` (v, k) replace the colours: they are shaded and averaged in the same way.
    """

    def __init__(self, mesh: Mesh, attributes: Float[Tensor, "v k"] | None = None) -> None:
        self.mesh = mesh
        self.textured = attributes is None and mesh.texture is not None
        self.attributes = mesh.uv if self.textured else mesh.colours if attributes is None else attributes
        if self.attributes is None:
            raise ValueError("a picture needs colours: got a mesh with neither vertex colours nor a texture")
        self.normals = face_normals(mesh.vertices, mesh.faces)
        self.scene = Scene(mesh.vertices, mesh.faces)

    def picture(
        self,
        camera: Camera,
        light: Float[Tensor, "3"] = DEFAULT_LIGHT,
        supersample: int = 3,
        ambient: float = AMBIENT,
    ) -> Image:
        """Premultiplied shaded attributes and coverage, each pixel the mean of supersample^2 rays."""
        s = supersample
        rays = pixel_rays(camera.resized(camera.height * s, camera.width * s))
        hits = self.scene.cast(rays)
        inside = (hits.face >= 0).nonzero().squeeze(1)
        value = self._value(hits.face[inside], hits.barycentric[inside])
        view = rays.direction.reshape(-1, 3)[inside]
        value = value * soft_shading(self.normals[hits.face[inside]], view, light, ambient)[:, None]
        flat = torch.zeros(hits.face.shape[0], value.shape[1] + 1)
        flat[inside] = torch.cat((value, torch.ones(len(inside), 1)), dim=1)
        blocks = flat.view(len(camera), camera.height, s, camera.width, s, -1)
        mean = blocks.mean(dim=(2, 4))
        return Image(mean[..., :-1], mean[..., -1:])

    def _value(self, face: Int[Tensor, " n"], barycentric: Float[Tensor, "n 3"]) -> Float[Tensor, "n k"]:
        assert self.attributes is not None
        value = (self.attributes[self.mesh.faces[face]] * barycentric[..., None]).sum(1)
        if self.textured and self.mesh.texture is not None:
            return texture_at(self.mesh.texture, value)
        return value
