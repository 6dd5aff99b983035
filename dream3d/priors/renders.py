"""The exact score of pictures of known meshes, taken at the very camera that is asked for.

At a camera c the data distribution is uniform over K pictures x_1..x_K, so

    E[x0 | x_t] = sum_k w_k x_k,  w = softmax_k(-|x_t - alpha x_k|^2 / (2 sigma^2)),
    eps = (x_t - alpha E[x0 | x_t]) / sigma.

Distilling from it must reconstruct the mesh: it is the end-to-end oracle of the engine.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from dream3d.cameras import unflatten
from dream3d.errors import UserError
from dream3d.mesh.reading import load_folder, load_textured
from dream3d.render.reference import Reference
from dream3d.types import Camera, Conditioning, Image, Mesh, NoisePrediction


class Renders:
    """A ScoreModel over RGBA pictures (premultiplied colour and alpha, mapped to [-1, 1])."""

    camera_conditioned = True

    def __init__(self, meshes: Sequence[Mesh], alpha_bar: Float[Tensor, " T"], resolution: int = 64) -> None:
        self.references = [Reference(mesh) for mesh in meshes]
        self.alpha_bar = alpha_bar
        self.resolution = resolution

    def embed(self, prompts: list[str]) -> Float[Tensor, "b 1"]:
        """Words mean nothing here."""
        return torch.zeros(len(prompts), 1)

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w 3"], generator: Generator | None = None
    ) -> Float[Tensor, "b 4 h w"]:
        """RGBA in [-1, 1]; the background is not seen."""
        rgba = torch.cat((image.colour, image.alpha), dim=-1).permute(0, 3, 1, 2)
        return 2 * torch.nn.functional.interpolate(rgba, size=self.resolution, mode="area") - 1

    def views(self, camera: Camera) -> Image:
        """Every mesh from the one camera, in its resolution."""
        images = [reference.picture(camera) for reference in self.references]
        return Image(torch.cat([image.colour for image in images]), torch.cat([image.alpha for image in images]))

    def pictures(self, camera: Float[Tensor, "b 17"]) -> Float[Tensor, "b k d"]:
        """Every mesh from every camera, flattened to vectors."""
        views = unflatten(camera.cpu(), self.resolution)
        images = [reference.picture(views) for reference in self.references]
        black = torch.zeros(1, 1, 1, 3)
        return torch.stack([self.encode(image, black).flatten(1) for image in images], dim=1)

    @torch.no_grad()
    def eps(self, x_t: Float[Tensor, "b 4 h w"], t: Int[Tensor, " b"], text: Conditioning) -> NoisePrediction:
        """The exact noise prediction; cond and null are the same."""
        if text.camera is None:
            raise ValueError(
                "priors/renders.py needs Conditioning.camera: got None; build the text with prompts.PromptEmbeddings"
            )
        known = self.pictures(text.camera).to(x_t)
        alpha_bar = self.alpha_bar.to(x_t)[t]
        alpha, sigma = alpha_bar.sqrt()[:, None], (1 - alpha_bar).sqrt()[:, None]
        flat = x_t.flatten(1)
        distance = (flat[:, None] - alpha[..., None] * known).square().sum(-1)
        weight = torch.softmax(-distance / (2 * sigma**2), dim=1)
        mean = torch.einsum("bk,bkd->bd", weight, known)
        eps = ((flat - alpha * mean) / sigma).view_as(x_t)
        return NoisePrediction(eps, eps)


def diffusers_cosine(steps: int = 1000) -> Float[Tensor, " T"]:
    """``cos^2`` schedule of arXiv 2102.09672, Eq. 17, betas clipped at 0.999."""
    u = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = torch.cos((u + 0.008) / 1.008 * torch.pi / 2) ** 2
    betas = (1 - f[1:] / f[:-1]).clamp(max=0.999)
    return (1 - betas).cumprod(0).float()


def load(*, path: str, resolution: int = 64) -> Renders:
    """The prior over one mesh file, or all of a folder (fitted into the unit ball)."""
    place = Path(path).expanduser()
    if resolution < 8:
        raise UserError(f"prior.resolution: got {resolution}, expected at least 8 pixels")
    if place.is_dir():
        meshes = list(load_folder(place, load_textured).values())
    elif place.is_file():
        meshes = [load_textured(place)]
    else:
        raise UserError(f"prior.path: got '{path}', expected a mesh file or a folder of them; check the path")
    return Renders(meshes, diffusers_cosine(), resolution)
