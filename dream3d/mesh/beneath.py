"""Projects points of a simplified mesh onto the fine surface along their normals."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dream3d.geometry.normals import face_normals, vertex_normals
from dream3d.geometry.ray_casting import Scene
from dream3d.types import Mesh, Rays

REACH = 0.05
"""How far to both sides, in the unit ball, the fine surface is looked for."""


@dataclass(frozen=True)
class Beneath:
    """Points on the high-poly surface, with its smooth and its geometric unit normals there."""

    point: Float[Tensor, "n 3"]
    normal: Float[Tensor, "n 3"]
    facet: Float[Tensor, "n 3"]


class Fine:
    """A high-poly surface, searched from points of a low-poly one."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh, self.scene = mesh, Scene(mesh.vertices, mesh.faces)
        self.smooth = vertex_normals(mesh.vertices, mesh.faces) if mesh.normals is None else mesh.normals
        self.flat = face_normals(mesh.vertices, mesh.faces)

    def beneath(self, point: Float[Tensor, "n 3"], normal: Float[Tensor, "n 3"], reach: float = REACH) -> Beneath:
        """What is nearest along the unit normals, to either side; where nothing is within ``reach``, or it faces
        the other way (the far side of something thin), the points and normals themselves."""
        found = Beneath(point.clone(), normal.clone(), normal.clone())
        nearest = torch.full((len(point),), reach)
        for side in (1.0, -1.0):
            origin = point - 1e-6 * side * normal  # a surface at the point itself is not missed
            hits = self.scene.cast(Rays(origin[None, None], (side * normal)[None, None]))
            met = ((hits.face >= 0) & (hits.distance < nearest)).nonzero().squeeze(1)
            corners, share = self.mesh.faces[hits.face[met]], hits.barycentric[met][..., None]
            smooth = F.normalize((self.smooth[corners] * share).sum(1), dim=-1)
            facing = (smooth * normal[met]).sum(-1) > 0
            met = met[facing]
            found.point[met] = (self.mesh.vertices[corners[facing]] * share[facing]).sum(1)
            found.normal[met], found.facet[met] = smooth[facing], self.flat[hits.face[met]]
            nearest[met] = hits.distance[met]
        return found
