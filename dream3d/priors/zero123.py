"""Zero-1-to-3 (arXiv 2303.11328): a prior that is shown a picture and told how the camera moved since.

Stable Diffusion's UNet with eight input channels (the noisy latent beside the picture's) and one token of context:
``linear([CLIP embedding of the picture, pose])``. The null condition is a token of zeros, after the projection, beside
a latent of zeros. It takes no words.

    pose = [polar - polar*, sin(azimuth - azimuth*), cos(azimuth - azimuth*), r - r*],    polar = 90 deg - elevation

(``*``: of the picture's camera; radians; azimuth counter-clockwise seen from above, as here). Stable Zero123 has
``polar*`` in the place of ``r - r*``.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Generator, Tensor, nn

from dream3d.cameras import unflatten
from dream3d.diffusion import alpha_sigma
from dream3d.errors import UserError, first
from dream3d.priors import prediction_type
from dream3d.priors.loading.components import quiet, variant_of
from dream3d.priors.loading.dtypes import cast_vae, chosen_dtype
from dream3d.priors.loading.memory import ONE, Batch
from dream3d.priors.loading.resolve import resolve
from dream3d.priors.parts import CLIP_MEAN, CLIP_STD, Component
from dream3d.priors.prediction_type import Prediction
from dream3d.priors.spaces import Latent, resized
from dream3d.types import Camera, Conditioning, Image, NoisePrediction

PROJECTIONS = ("cc_projection", "clip_camera_projection")
"""Folders of the projection: those of diffusers' community pipeline and of threestudio's."""
POSE = 4


@dataclass(frozen=True)
class Shown:
    """The picture: its CLIP embedding, its latent (the mode, not scaled), and its camera's angles and distance."""

    embedding: Float[Tensor, " c"]
    latent: Float[Tensor, "d y x"]
    azimuth: float
    elevation: float
    distance: float


@dataclass(eq=False)
class Zero123:
    """A ``ScoreModel`` that is told the camera and shown a picture (``show``)."""

    network: Component
    space: Latent
    encoder: Component
    projection: nn.Linear
    alpha_bar: Float[Tensor, " T"]
    timesteps: Float[Tensor, " T"]
    prediction: Prediction
    dtype: torch.dtype
    stable: bool
    picture: Shown | None = None
    camera_conditioned: bool = True

    @property
    def resolution(self) -> int:
        """Height and width in pixels of the images it wants."""
        return self.space.size

    def embed(self, prompts: list[str]) -> Float[Tensor, "b 1"]:
        """1 for the first, which is the picture whatever it says; 0 for all others, which are nothing."""
        marks = torch.zeros(len(prompts), 1, device=self.alpha_bar.device)
        marks[:1] = 1
        return marks

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w c"], generator: Generator | None = None
    ) -> Float[Tensor, "b d y x"]:
        """A rendered image to a latent, with gradient."""
        return self.space.encode(image, background, generator)

    def decode(self, x: Float[Tensor, "b d y x"]) -> Float[Tensor, "b h w 3"]:
        """A latent to RGB, about [0, 1]."""
        return self.space.decode(x)

    @torch.no_grad()
    def show(self, image: Image, camera: Camera) -> "Zero123":
        """The same prior, shown this picture (over white), which that camera took."""
        device, size = self.alpha_bar.device, self.space.size
        white = torch.ones(1, 1, 1, 3, device=device)
        pixels = Image(image.colour.to(device), image.alpha.to(device)).over(white).permute(0, 3, 1, 2)
        pixels = 2 * resized(pixels, size) - 1
        edge = self.encoder.config.image_size
        small = F.interpolate(pixels, size=(edge, edge), mode="bicubic", antialias=True, align_corners=True)
        mean, std = (torch.tensor(three, device=device).view(1, 3, 1, 1) for three in (CLIP_MEAN, CLIP_STD))
        embedding = self.encoder((((small + 1) / 2 - mean) / std).to(self.encoder.dtype)).image_embeds[0].float()
        latent = self.space.vae.encode(pixels.to(self.space.vae.dtype)).latent_dist.mode()[0].float()
        angles = (float(part[0]) for part in (camera.azimuth, camera.elevation, camera.distance))
        return replace(self, picture=Shown(embedding, latent, *angles))

    def pose(self, camera: Float[Tensor, "b 17"]) -> Float[Tensor, "b 4"]:
        """How the cameras differ from the picture's."""
        seen, view = self.seen, unflatten(camera, 8)
        turn = view.azimuth - seen.azimuth
        last = torch.full_like(turn, math.pi / 2 - seen.elevation) if self.stable else view.distance - seen.distance
        return torch.stack((seen.elevation - view.elevation, turn.sin(), turn.cos(), last), dim=1)

    @property
    def seen(self) -> Shown:
        """The picture. Raises UserError where none was shown."""
        if self.picture is None:
            raise UserError("prior: got no image, but this prior needs one; pass image=cat.png")
        return self.picture

    def predict(
        self, x_t: Float[Tensor, "b d y x"], t: Int[Tensor, " b"], marks: Float[Tensor, "b 1"], camera: Tensor
    ) -> Float[Tensor, "b d y x"]:
        """The network's own output; rows whose mark is 0 are shown nothing."""
        seen = self.seen
        given = torch.cat((seen.embedding.expand(len(x_t), -1), self.pose(camera)), dim=1)
        token = self.projection(given.to(self.projection.weight.dtype)) * marks
        beside = seen.latent.expand_as(x_t) * marks[:, :, None, None]
        x = torch.cat((x_t, beside), dim=1).to(self.dtype)
        return self.network(x, self.timesteps[t], token[:, None].to(self.dtype)).sample.float()

    @torch.no_grad()
    def eps(self, x_t: Float[Tensor, "b d y x"], t: Int[Tensor, " b"], text: Conditioning) -> NoisePrediction:
        """Noise predictions with the picture and without, in one call of the network."""
        if text.camera is None:
            raise ValueError("priors/zero123.py needs Conditioning.camera: got None")
        rows = [text.cond] if text.null is text.cond else [text.cond, text.null]
        n = len(rows)
        x, at, camera = x_t.repeat(n, 1, 1, 1), t.repeat(n), text.camera.repeat(n, 1)
        out = self.predict(x, at, torch.cat(rows), camera)
        found = prediction_type.to_eps(self.prediction, out, x, *alpha_sigma(self.alpha_bar, at, x))
        parts = found.split(len(x_t))
        return NoisePrediction(parts[0], parts[-1])


def load(
    path: str | None = None,
    *,
    places: Sequence[str] = (),
    device: torch.device | str = "cpu",
    dtype: str = "auto",
    vae_dtype: str = "auto",
    resolution: int | None = None,
    offline: bool = False,
    stable: bool = False,
    batch: Batch = ONE,
) -> Zero123:
    """The prior in a folder with unet, vae, image_encoder, scheduler and the projection, in either packaging.

    Args:
        resolution: pixels of the images it wants; None: what it was trained at.
        stable: told the picture's elevation in the place of the distance (Stable Zero123).
        batch: not used; its memory is not estimated.

    Raises UserError where a part is missing or does not fit; code of the folder's own is never run.
    """
    import diffusers
    from transformers import CLIPVisionModelWithProjection

    device = torch.device(device)
    kind = chosen_dtype(dtype, device)
    folder = resolve(path, places, offline)
    classes: Mapping[str, Any] = {
        "unet": diffusers.UNet2DConditionModel,
        "vae": diffusers.AutoencoderKL,
        "image_encoder": CLIPVisionModelWithProjection,
        "scheduler": diffusers.DDIMScheduler,
    }
    parts = {role: part_of(folder, role, cls, kind) for role, cls in classes.items()}
    unet, vae, encoder = (parts[role] for role in ("unet", "vae", "image_encoder"))
    projection = projection_of(folder, encoder.config.projection_dim, unet.config.cross_attention_dim)
    if unet.config.in_channels != 2 * vae.config.latent_channels:
        raise UserError(
            f"prior: {folder} has a network with {unet.config.in_channels} input channels, expected "
            f"{2 * vae.config.latent_channels} as Zero-1-to-3 has; use prior=folder for text-to-image models"
        )
    cast_vae(vae, vae_dtype, kind, device, overflows=False)
    space = Latent(vae, 0, "mean")
    space = Latent(vae, resolution or unet.config.sample_size * space.factor, "mean")
    for part in (unet, vae, encoder, projection):
        part.to(device)
    alpha_bar, timesteps, prediction = prediction_type.schedule(copy.copy(parts["scheduler"]), None)
    return Zero123(
        unet, space, encoder, projection, alpha_bar.to(device), timesteps.to(device), prediction, kind, stable
    )


def part_of(folder: Path, role: str, cls: Component, dtype: torch.dtype) -> Component:
    """One part, frozen. Raises UserError where it is missing or damaged."""
    place = folder / role
    if not place.is_dir():
        raise UserError(f"prior: {folder} has no folder {role}/, expected those of Zero-1-to-3; finish the download")
    try:
        with quiet():
            if role == "scheduler":
                return cls.from_pretrained(place, local_files_only=True)
            kind = torch.float32 if role == "vae" else dtype
            part = cls.from_pretrained(place, torch_dtype=kind, variant=variant_of(place), local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UserError(f"prior: {place} cannot be loaded ({first(error)[:200]}); download it again") from error
    return part.eval().requires_grad_(False)


def projection_of(folder: Path, width: int, context: int) -> nn.Linear:
    """The linear map to the token, of whatever name. Raises UserError where there is none of that size."""
    place = next((folder / name for name in PROJECTIONS if (folder / name).is_dir()), None)
    if place is None:
        raise UserError(f"prior: {folder} has neither {PROJECTIONS[0]}/ nor {PROJECTIONS[1]}/; finish the download")
    files = [*sorted(place.glob("*.safetensors")), *sorted(place.glob("*.bin"))]
    try:
        state = load_file(files[0]) if files[0].suffix == ".safetensors" else torch.load(files[0], weights_only=True)
    except (IndexError, OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"prior: {place} has no readable weights ({first(error)}); download it again") from error
    linear = nn.Linear(width + POSE, context)
    try:
        linear.load_state_dict({name.rpartition(".")[2]: value.float() for name, value in state.items()})
    except RuntimeError as error:
        shapes = {name: list(value.shape) for name, value in state.items()}
        raise UserError(f"prior: {place} has {shapes}, expected a linear map {width + POSE} -> {context}") from error
    return linear.requires_grad_(False)
