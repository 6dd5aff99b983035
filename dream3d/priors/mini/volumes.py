"""The models as coarse coloured solids: what the template should hold, cell by cell.

Pictures teach a template one ray at a time; the solid teaches all of its cells at once, and so many times
faster. Pictures come after, for what a solid of 32^3 cells cannot say (light, thin parts).
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from dream3d.priors.mini.captions import compose
from dream3d.priors.mini.template import CELLS, EXTINCTION
from dream3d.priors.mini.views import Views, recoloured
from dream3d.types import Mesh

FINE = 4  # sub-cells along a cell's edge
POINTS = 300_000  # on the surface; at least four a sub-cell for any model in the unit ball
OPAQUE = 0.4  # share from which a cell counts as full: a sheet must hide what is behind it


def surface_points(
    mesh: Mesh, attributes: Float[Tensor, "v a"], count: int, generator: torch.Generator
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n a"]]:
    """Points drawn uniformly by area, and the attributes there."""
    corners = mesh.vertices[mesh.faces]
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1)
    face = torch.searchsorted(
        area.double().cumsum(0), torch.rand(count, generator=generator).double() * area.double().sum()
    )
    face = face.clamp(max=len(mesh.faces) - 1)
    u, v = torch.rand(2, count, 1, generator=generator)
    u, v = torch.where(u + v > 1, 1 - u, u), torch.where(u + v > 1, 1 - v, v)
    weights = torch.stack((1 - u - v, u, v), dim=1)
    return (corners[face] * weights).sum(1), (attributes[mesh.faces[face]] * weights).sum(1)


def solid(mesh: Mesh, attributes: Float[Tensor, "v 7"], seed: int = 0) -> np.ndarray:
    """The filled model as (z y x 8) uint8, laid out like a view: rgb, share that is full, tintable rgb, luma.

    All but the share are multiplied by it. The inside has the colour of the nearest surface. A cell counts as
    full from a share of ``OPAQUE`` on.
    """
    fine = CELLS * FINE
    points, values = surface_points(mesh, attributes, POINTS, torch.Generator().manual_seed(seed))
    cell = ((points + 1) / 2 * fine).long().clamp(0, fine - 1)
    index = (cell[:, 2] * fine + cell[:, 1]) * fine + cell[:, 0]
    count = torch.zeros(fine**3).index_add_(0, index, torch.ones(len(index)))
    mean = torch.zeros(fine**3, 7).index_add_(0, index, values) / count.clamp(min=1)[:, None]
    shell = (count > 0).numpy().reshape(fine, fine, fine)
    full = ndimage.binary_fill_holes(shell)
    nearest = np.asarray(ndimage.distance_transform_edt(~shell, return_distances=False, return_indices=True))
    colour = mean.numpy().reshape(fine, fine, fine, 7)[tuple(nearest)]
    cells = np.concatenate((colour[..., :3], np.ones_like(colour[..., :1]), colour[..., 3:]), axis=-1)
    cells = torch.from_numpy(cells * np.asarray(full)[..., None]).permute(3, 0, 1, 2)[None]
    coarse = F.avg_pool3d(cells, FINE)[0].permute(1, 2, 3, 0)
    coarse = coarse / coarse[..., 3:4].clamp(min=OPAQUE)
    return (coarse * 255).round().clamp(0, 255).to(torch.uint8).numpy()


class Volumes:
    """The solids of a folder of views (scripts/render_views.py), drawn with captions."""

    def __init__(self, folder: Path, views: Views) -> None:
        self.solids = np.load(folder / "volumes.npz")["volumes"]
        self.views = views
        self.of_concept = {c: [card for card in views.cards if card["concept"] == c] for c in views.concepts}

    def batch(self, size: int, seed: tuple[int, int]) -> tuple[list[str], Float[Tensor, "b 4 z y x"]]:
        """Captions, and the most typical model that fits each: premultiplied colour and opacity."""
        rng = np.random.default_rng(seed)
        captions, targets = [], []
        for _ in range(size):
            concept = self.views.concepts[rng.choice(len(self.views.concepts), p=self.views.share)]
            cards = self.of_concept[concept]
            caption, colour, fitting = compose(cards, rng)
            card = cards[fitting[0]]
            cells = self.solids[card["number"]].reshape(1, CELLS, CELLS * CELLS, 8)
            rgba = recoloured(cells, colour, np.array([bool(card["recolor"])]))[0]
            targets.append(torch.from_numpy(rgba).view(CELLS, CELLS, CELLS, 4).permute(3, 0, 1, 2))
            captions.append(caption)
        return captions, torch.stack(targets)


def volume_loss(cells: Float[Tensor, "b 4 z y x"], target: Float[Tensor, "b 4 z y x"]) -> Float[Tensor, ""]:
    """Squared error of opacity and premultiplied colour, of a way of one cell through each cell."""
    alpha = 1 - torch.exp(-EXTINCTION * F.softplus(cells[:, :1].float() - 1) * (2 / CELLS))
    return (torch.cat((alpha * cells[:, 1:].float(), alpha), dim=1) - target).square().mean()
