"""Reference pictures of a given mesh: soft-lit, two-sided, antialiased by supersampling, no gradient.

They are what the embedded prior is trained on and what ``priors/renders.py`` knows.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.cameras import pixel_rays
from dream3d.render.visibility import Scene
from dream3d.types import Camera, Image, Mesh

AMBIENT = 0.65
DIFFUSE = 0.35


def random_light(generator: Generator) -> Float[Tensor, "3"]:
    """A unit direction to a light above and somewhat in front of the object, fixed in the world."""
    jitter = 0.5 * torch.randn(3, generator=generator)
    return torch.nn.functional.normalize(torch.tensor([0.0, 1.0, 0.35]) + jitter, dim=0)


DEFAULT_LIGHT = torch.nn.functional.normalize(torch.tensor([0.0, 1.0, 0.35]), dim=0)


def face_normals(vertices: Float[Tensor, "v 3"], faces: Tensor) -> Float[Tensor, "f 3"]:
    """Unit normals of the triangles by the right-hand rule; zero for degenerate ones."""
    a, b, c = vertices[faces].unbind(1)
    return torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)


def soft_shading(
    normal: Float[Tensor, "n 3"], view: Float[Tensor, "n 3"], light: Float[Tensor, "3"]
) -> Float[Tensor, " n"]:
    """``0.65 + 0.35 n.l`` with the normal turned towards the viewer (``view`` points away from him)."""
    facing = torch.where((normal * view).sum(-1, keepdim=True) > 0, -normal, normal)
    return AMBIENT + DIFFUSE * (facing @ light)


class Reference:
    """A mesh ready to be pictured; ``attributes`` (v, k) are shaded and averaged like colours."""

    def __init__(self, mesh: Mesh, attributes: Float[Tensor, "v k"] | None = None) -> None:
        self.faces = mesh.faces
        self.attributes = mesh.colours if attributes is None else attributes
        if self.attributes is None:
            raise ValueError("a reference picture needs vertex colours: got a mesh without any")
        self.normals = face_normals(mesh.vertices, mesh.faces)
        self.scene = Scene(mesh.vertices, mesh.faces)

    def picture(
        self, camera: Camera, light: Float[Tensor, "3"] = DEFAULT_LIGHT, supersample: int = 3
    ) -> Image:
        """Premultiplied shaded attributes and coverage, each pixel the mean of supersample^2 rays."""
        s, channels = supersample, self.attributes.shape[1]
        rays = pixel_rays(camera.resized(camera.height * s, camera.width * s))
        hits = self.scene.cast(rays)
        inside = (hits.face >= 0).nonzero().squeeze(1)
        face, barycentric = hits.face[inside], hits.barycentric[inside]
        corners = self.attributes[self.faces[face]]
        value = (corners * barycentric[..., None]).sum(1)
        view = rays.direction.reshape(-1, 3)[inside]
        value = value * soft_shading(self.normals[face], view, light)[:, None]
        flat = torch.zeros(hits.face.shape[0], channels + 1)
        flat[inside] = torch.cat((value, torch.ones(len(inside), 1)), dim=1)
        blocks = flat.view(len(camera), camera.height, s, camera.width, s, channels + 1)
        mean = blocks.mean(dim=(2, 4))
        return Image(mean[..., :-1], mean[..., -1:])
