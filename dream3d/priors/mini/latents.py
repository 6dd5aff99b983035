"""Shapes as latents: three small feature planes a model and one decoder for all (an auto-decoder).

DeepSDF (arXiv 1901.05103) on tri-planes (arXiv 2112.07945). A latent is ``(3, c, r, r)``: the planes (x, y), (y, z),
(z, x) of [-1, 1]^3. At a point the planes' features and the point itself go through a two-layer MLP to signed distance
(negative inside), albedo (sRGB) and paint: how far a named colour takes there, 0 for not at all.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from skimage.measure import label, marching_cubes
from torch import Tensor, nn

from dream3d.types import Mesh

LATENTS, DECODER = "latents.npz", "decoder.npz"
UNIT = 0.1  # of the decoder's distances
COARSE = 24  # cells along an edge in which a surface is looked for first
NEAR = 0.08  # a coarse cell this far from the surface at most is looked at closely
CHUNK = 131_072  # points at once
SPECK = 0.01  # pieces smaller than this fraction of the largest are dropped
PAINTED = 0.1  # paint below this is none
UNPAINTED = 0.05  # a latent that takes paint on less of its vertices takes none
DARK = 0.15  # luma below which a tint leaves a colour alone


class TriplaneDecoder(nn.Module):
    """Features of three planes and the point -> signed distance, albedo, paint."""

    def __init__(self, channels: int = 4, hidden: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * channels + 3, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 5)
        )

    def forward(
        self, latent: Float[Tensor, "m 3 c r r"], x: Float[Tensor, "m n 3"]
    ) -> tuple[Float[Tensor, "m n"], Float[Tensor, "m n 4"]]:
        """Signed distance; albedo and paint in [0, 1]."""
        m, n, _ = x.shape
        where = torch.stack((x[..., [0, 1]], x[..., [1, 2]], x[..., [2, 0]]), 1).reshape(3 * m, 1, n, 2)
        read = F.grid_sample(latent.flatten(0, 1), where, align_corners=False, padding_mode="border")
        out = self.layers(torch.cat((read.reshape(m, -1, n).transpose(1, 2), x), -1))
        return UNIT * out[..., 0], out[..., 1:].sigmoid()


@dataclass(frozen=True)
class PaintedMesh:
    """A latent's surface: vertices in [-1, 1]^3, faces outwards, albedo (sRGB), paint in [0, 1] a vertex."""

    vertices: Float[Tensor, "v 3"]
    faces: Tensor
    albedo: Float[Tensor, "v 3"]
    paint: Float[Tensor, " v"]

    def recoloured(self, colour: Float[Tensor, "3"] | None) -> Mesh:
        """The mesh in a named colour: ``min(1, 2 paint colour)`` where it takes paint, its own elsewhere. A latent that
        takes none (anywhere to speak of) is tinted as models are for training: by luma over its median, but for what
        is dark."""
        colours = self.albedo
        if colour is not None:
            paint = self.paint if (self.paint > PAINTED / 2).float().mean() > UNPAINTED else tint(self.albedo)
            tinted = (2 * paint[:, None] * colour).clamp(max=1)
            colours = torch.where(paint[:, None] > PAINTED / 2, tinted, colours)
        return Mesh(vertices=self.vertices, faces=self.faces, colours=colours)


def tint(albedo: Float[Tensor, "v 3"]) -> Float[Tensor, " v"]:
    """Half the luma over its median, at most 1; 0 for what is dark (eyes, tyres), which keeps its own colour."""
    luma = albedo @ torch.tensor([0.299, 0.587, 0.114])
    return torch.where(luma > DARK, (luma / luma.median() / 2).clamp(max=1), 0.0)


class Latents:
    """Packed latents by model name, and their decoder. The file is a zip archive, so that one latent is read
    without the others: ``name.q`` (3, c, r, r) int8 and ``name.scale`` (c,) float32."""

    def __init__(self, file: Path, decoder: TriplaneDecoder) -> None:
        self.file, self.decoder = file, decoder.requires_grad_(False)
        self.extra: dict[str, Float[Tensor, "3 c r r"]] = {}  # latents that are not in the file
        self.surfaces: dict[str, PaintedMesh] = {}  # surfaces that no latent is needed for

    def latent(self, name: str) -> Float[Tensor, "3 c r r"]:
        """Float32 planes. Raises KeyError for a name that is not there."""
        if name in self.extra:
            return self.extra[name]
        with np.load(self.file) as packed:
            return torch.from_numpy(packed[f"{name}.q"] * packed[f"{name}.scale"][None, :, None, None])

    def surface(self, name: str, cells: int = 96) -> PaintedMesh:
        """Marching cubes of the signed distance on ``cells``^3 cells."""
        if name in self.surfaces:
            return self.surfaces[name]
        return surface_of(self.decoder, self.latent(name), cells)

    def with_surface(self, name: str, surface: PaintedMesh) -> "Latents":
        """The same latents and one more surface."""
        other = Latents(self.file, self.decoder)
        other.extra, other.surfaces = dict(self.extra), {**self.surfaces, name: surface}
        return other


def load_latents(folder: Path) -> Latents | None:
    """The latents of a prior's folder, None where it has none."""
    if not (folder / LATENTS).is_file():
        return None
    with np.load(folder / DECODER) as packed:
        weights = {name: torch.from_numpy(packed[name].astype(np.float32)) for name in packed.files}
    hidden, width = weights["layers.0.weight"].shape
    decoder = TriplaneDecoder((width - 3) // 3, hidden)
    decoder.load_state_dict(weights)
    return Latents(folder / LATENTS, decoder)


def save_latents(latents: Mapping[str, Float[Tensor, "3 c r r"]], file: Path, bits: int = 7) -> None:
    """Pack planes as ``bits``-bit integers, one scale a latent and channel, each latent compressed by itself."""
    top = 2 ** (bits - 1) - 1
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        for name, planes in latents.items():
            scale = planes.abs().amax(dim=(0, 2, 3)).clamp(min=1e-8) / top
            q = (planes / scale[None, :, None, None]).round().to(torch.int8)
            for part, array in (("q", q.numpy()), ("scale", scale.float().numpy())):
                buffer = io.BytesIO()
                np.save(buffer, array)
                archive.writestr(f"{name}.{part}.npy", buffer.getvalue())


@torch.no_grad()
def surface_of(decoder: TriplaneDecoder, latent: Float[Tensor, "3 c r r"], cells: int = 96) -> PaintedMesh:
    """The zero level set with albedo and paint at its vertices.

    Raises:
        ValueError: the latent has no surface, or ``cells`` is not a multiple of 24.
    """
    distance = without_specks(signed_distances(decoder, latent, cells))
    if not bool(distance.min() < 0 < distance.max()):
        raise ValueError("latent: its signed distance has one sign everywhere, so there is no surface")
    vertices, faces, _, _ = marching_cubes(distance.numpy(), 0.0)
    x = torch.from_numpy(((vertices + 0.5) / cells * 2 - 1).astype(np.float32))
    shown = torch.cat([decoder(latent[None], part[None])[1][0] for part in x.split(CHUNK)])
    outwards = torch.from_numpy(faces.astype(np.int64))
    return PaintedMesh(x, outwards, shown[:, :3], shown[:, 3])


def signed_distances(
    decoder: TriplaneDecoder, latent: Float[Tensor, "3 c r r"], cells: int
) -> Float[Tensor, "cells cells cells"]:
    """At the centres of cells, finely only where the coarse distances allow a surface."""
    if cells % COARSE:
        raise ValueError(f"cells: got {cells}, expected a multiple of {COARSE}")
    k = cells // COARSE
    centres = grid(COARSE)
    coarse = decoder(latent[None], centres.reshape(1, -1, 3))[0].view(COARSE, COARSE, COARSE)
    near = (coarse.abs() < NEAR).nonzero()
    inner = grid(k).reshape(-1, 3) / COARSE
    where = (centres[tuple(near.T)][:, None] + inner).reshape(-1, 3)
    fine = torch.cat([decoder(latent[None], part[None])[0][0] for part in where.split(CHUNK)])
    whole = coarse.view(COARSE, COARSE, COARSE, 1, 1, 1).repeat(1, 1, 1, k, k, k)
    whole[tuple(near.T)] = fine.view(-1, k, k, k)
    return whole.permute(0, 3, 1, 4, 2, 5).reshape(cells, cells, cells)


def without_specks(distance: Float[Tensor, "n n n"]) -> Float[Tensor, "n n n"]:
    """The distances with small separate pieces filled with air: they are what a latent gets wrong in empty space."""
    labels: Any = label(distance.numpy() < 0, connectivity=1)
    size = np.bincount(labels.ravel())[1:]
    if len(size) < 2:
        return distance
    specks = 1 + np.flatnonzero(size < SPECK * size.max())
    return torch.where(torch.from_numpy(np.isin(labels, specks)), distance.abs().clamp(min=1e-4), distance)


def grid(n: int) -> Float[Tensor, "n n n 3"]:
    """Centres of n^3 cells over [-1, 1]^3."""
    axis = (torch.arange(n) + 0.5) / n * 2 - 1
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
