"""First ray-triangle intersections by Embree (embreex), millions of rays a second on a CPU."""

from dataclasses import dataclass

import numpy as np
import torch
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dream3d.types import Rays


@dataclass(frozen=True)
class Hits:
    """First hits of r rays; ``face`` is -1 where a ray misses.

    ``barycentric[i]`` weighs the three corners of ``face[i]``; ``distance`` is along the ray.
    """

    face: Int[Tensor, " r"]
    barycentric: Float[Tensor, "r 3"]
    distance: Float[Tensor, " r"]


class Scene:
    """A bounding volume hierarchy over fixed triangles. Vertices are read once, without gradient."""

    def __init__(self, vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]) -> None:
        if len(faces) == 0:
            raise ValueError("a scene needs triangles: got 0 faces; check the mesh that was loaded")
        corners = vertices.detach().cpu().float().numpy()[faces.cpu().numpy()]
        self._scene = EmbreeScene()
        self._mesh = TriangleMesh(self._scene, np.ascontiguousarray(corners))

    def cast(self, rays: Rays) -> Hits:
        """First hits of all rays, flattened to (b h w)."""
        found = self._scene.run(*_arrays(rays), output=1)
        u, v = torch.from_numpy(found["u"]), torch.from_numpy(found["v"])
        barycentric = torch.stack((1 - u - v, u, v), dim=-1)
        return Hits(torch.from_numpy(found["primID"]).long(), barycentric, torch.from_numpy(found["tfar"]))

    def first(
        self, origin: Float[np.ndarray, "r 3"], direction: Float[np.ndarray, "r 3"]
    ) -> tuple[Int[np.ndarray, " r"], Float[np.ndarray, " r"], Float[np.ndarray, " r"]]:
        """``cast`` without tensors: the face first hit (-1: none), the weights of its second and third corner."""
        found = self._scene.run(np.ascontiguousarray(origin, np.float32), np.ascontiguousarray(direction), output=1)
        return found["primID"], found["u"], found["v"]

    def blocked(self, rays: Rays) -> Bool[Tensor, " r"]:
        """Whether each ray hits anything: an occlusion query, twice as fast as ``cast``."""
        return torch.from_numpy(self._scene.run(*_arrays(rays), query="OCCLUDED")) >= 0


def _arrays(rays: Rays) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions as Embree reads them."""
    origin, direction = (
        np.ascontiguousarray(part.reshape(-1, 3).detach().cpu().float().numpy())
        for part in (rays.origin, rays.direction)
    )
    return origin, direction
