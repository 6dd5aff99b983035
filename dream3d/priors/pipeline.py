"""Any diffusers text-to-image folder as a ``ScoreModel``: latent or pixel; noise, v, sample or flow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from dream3d.errors import UserError
from dream3d.priors import parametrise
from dream3d.priors.components import ENCODERS, Components, load_components, quiet
from dream3d.priors.families import Family, Mini, Sdxl, family_of
from dream3d.priors.mini import words
from dream3d.priors.mini.network import channels_last
from dream3d.priors.parametrise import Prediction
from dream3d.priors.resolve import resolve
from dream3d.priors.spaces import Latent, Rgb, Rgba, Space
from dream3d.types import EpsSet, Image, Text

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
FLUX_SAMPLE_SIZE = 128  # latents a side; its configuration does not say


@dataclass(eq=False)
class Pipeline:
    """A frozen prior. ``dataclasses.replace(prior, unet=...)`` is the same prior with another network.

    Attributes:
        unet: the network (a transformer in SD 3 and Flux), on its device, in its dtype.
        alpha_bar: (T,) cumulative product; of flows the equivalent one (``parametrise.py``).
        timesteps: (T,) what the network is told for index t.
        prediction: what the network returns.
        resolution: height and width in pixels of the images it wants.
        dtype: what the network computes in; all that enters and leaves the prior is float32.
        concepts: what the prior knows by name, where its folder says so (concepts.json), else None.
    """

    unet: Any
    family: Family
    space: Space
    alpha_bar: Float[Tensor, " T"]
    timesteps: Float[Tensor, " T"]
    prediction: Prediction
    resolution: int
    dtype: torch.dtype
    vocabulary: frozenset[str] = frozenset()
    concepts: Mapping[str, Sequence[str]] | None = None

    @property
    def camera(self) -> bool:
        """Is the network told the camera?"""
        return isinstance(self.family, Mini)

    @property
    def needs_view_words(self) -> bool:
        """Must the prompt say which side is seen?"""
        return not self.camera

    @property
    def channels(self) -> int:
        """Channels of x."""
        return self.space.channels

    def warnings(self, prompt: str) -> list[str]:
        """What this prior will not make of the prompt; empty for priors without a word list.

        Raises:
            UnknownWord: the prompt names nothing that the prior knows; offers what is nearest.
        """
        return [] if self.concepts is None else words.check(prompt, self.concepts, self.vocabulary)

    @torch.no_grad()
    def embed(self, prompts: list[str]) -> Float[Tensor, "b l c"]:
        """Float32 text embeddings on the prior's device; a pooled one is packed behind (``text.pack``)."""
        return self.family.embed(prompts).to(self.alpha_bar.device, torch.float32)

    def encode(
        self, image: Image, background: Float[Tensor, "#b #h #w c"], generator: Generator | None = None
    ) -> Float[Tensor, "b d y x"]:
        """A rendered image to x, with gradient. ``posterior: sample`` needs the generator."""
        return self.space.encode(image, background, generator)

    def decode(self, x: Float[Tensor, "b d y x"]) -> Float[Tensor, "b h w c"]:
        """x to RGB (RGBA of the embedded prior), about [0, 1], for pictures and image-space losses."""
        return self.space.decode(x)

    def alpha_sigma(
        self, t: Int[Tensor, " b"], like: Float[Tensor, "b *d"]
    ) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
        """``sqrt(alpha_bar)``, ``sqrt(1 - alpha_bar)`` at t, broadcastable with ``like``."""
        return parametrise.alpha_sigma(self.alpha_bar, t, like.ndim)

    def predict(
        self,
        x_t: Float[Tensor, "b *d"],
        t: Int[Tensor, " b"],
        embedding: Float[Tensor, "b l c"],
        camera: Float[Tensor, "b 17"] | None = None,
    ) -> Float[Tensor, "b *d"]:
        """The network's own output in float32, with gradient."""
        x = x_t
        if self.prediction == "flow_prediction":
            x = x_t * parametrise.flow_scale(*self.alpha_sigma(t, x_t))
        x, embedding = x.to(self.dtype), embedding.to(self.dtype)
        return self.family.call(self.unet, x, self.timesteps[t], embedding, camera).float()

    def to_eps(
        self, out: Float[Tensor, "b *d"], x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"]
    ) -> Float[Tensor, "b *d"]:
        """The network's output as a noise prediction."""
        return parametrise.to_eps(self.prediction, out, x_t, *self.alpha_sigma(t, x_t))

    def to_x0(
        self, out: Float[Tensor, "b *d"], x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"]
    ) -> Float[Tensor, "b *d"]:
        """The network's output as a clean sample."""
        return parametrise.to_x0(self.prediction, out, x_t, *self.alpha_sigma(t, x_t))

    def target(
        self, x: Float[Tensor, "b *d"], noise: Float[Tensor, "b *d"], t: Int[Tensor, " b"]
    ) -> Float[Tensor, "b *d"]:
        """What the network should return for x and noise, for training a student."""
        return parametrise.target(self.prediction, x, noise, *self.alpha_sigma(t, x))

    @torch.no_grad()
    def eps(self, x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], text: Text) -> EpsSet:
        """Noise predictions for condition, null and k negatives an image, in one call of the network.

        Where cond and null are one and the same tensor (``distill.guidance.alone``) they run once.
        """
        b, k = len(x_t), 0 if text.negatives is None else text.negatives.shape[1]
        rows = torch.arange(b, device=x_t.device)
        embeddings, order = [text.cond], [rows]
        if text.null is not text.cond:
            embeddings, order = [*embeddings, text.null], [*order, rows]
        if text.negatives is not None:  # image 0's k, image 1's k, ...
            embeddings, order = (
                [*embeddings, text.negatives.flatten(0, 1)],
                [*order, rows.repeat_interleave(k)],
            )
        index = torch.cat(order)
        x, at = x_t[index], t[index]
        out = self.predict(x, at, torch.cat(embeddings), None if text.camera is None else text.camera[index])
        cond, *others = self.to_eps(out, x, at).split([len(rows) for rows in order])
        null = cond if text.null is text.cond else others[0]
        negatives = None if text.negatives is None else others[-1].unflatten(0, (b, k))
        return EpsSet(cond, null, negatives, text.weights)


def chosen_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto``: float16 on CUDA, bfloat16 on CPUs that compute in it (AVX512-BF16, AMX), else float32."""
    if name != "auto":
        if name not in DTYPES:
            raise UserError(f"prior.dtype: got '{name}', expected auto, {', '.join(DTYPES)}")
        return DTYPES[name]
    if device.type == "cuda":
        return torch.float16
    native = [
        getattr(torch.cpu, probe, lambda: False)
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    ]
    return torch.bfloat16 if device.type == "cpu" and any(probe() for probe in native) else torch.float32


def space_of(parts: Components, resolution: int | None, posterior: Literal["mean", "sample"]) -> Space:
    """The space of x. Raises UserError when the network does not take it (inpainting and editing models)."""
    sample = parts.network.config.get("sample_size", FLUX_SAMPLE_SIZE)
    own = sample if isinstance(sample, int) else sample[0]
    channels = parts.network.config.in_channels
    if parts.vae is None:
        space = Rgba(resolution or own) if channels == 4 else Rgb(resolution or own)
    else:
        space = Latent(parts.vae, 0, posterior)
        space = Latent(parts.vae, resolution or own * space.factor, posterior)
        if space.size % (2 * space.factor):
            raise UserError(f"prior.resolution: got {space.size}, expected a multiple of {2 * space.factor}")
    wanted = space.channels * (4 if type(parts.network).__name__.startswith("Flux") else 1)
    if channels != wanted:
        raise UserError(
            f"prior: got a network with {channels} input channels, expected {wanted}; "
            "use a text-to-image folder, not one for inpainting, editing or upscaling"
        )
    return space


def load(
    path: str | None = None,
    *,
    places: Sequence[str] = ("embedded",),
    device: torch.device | str = "cpu",
    dtype: str = "auto",
    vae_dtype: str = "auto",
    text_device: str | None = None,
    resolution: int | None = None,
    posterior: Literal["mean", "sample"] = "mean",
    guidance: float = 1.0,
    offline: bool = False,
) -> Pipeline:
    """The prior at ``path`` (a folder or a hub id), or at the first of ``places`` that is there.

    Args:
        dtype: of the network: ``auto`` (``chosen_dtype``), float32, float16 or bfloat16.
        vae_dtype: ``auto`` is the network's, but float32 where the VAE overflows in half (SDXL).
        text_device: where prompts are embedded (once a run); None: ``device``.
        resolution: pixels of the images it wants; None: what it was trained at.
        posterior: the VAE's mean, or a sample of it (``encode`` then needs a generator).
        guidance: what guidance-distilled models (Flux dev) are told.
        offline: never touch the network.

    Raises:
        UserError: nothing usable there, with the reason for each place and the fix.
    """
    device = torch.device(device)
    folder = resolve(path, places, offline)
    kind = chosen_dtype(dtype, device)
    text_kind = torch.float32 if torch.device(text_device or device).type == "cpu" else kind
    parts = load_components(folder, kind, text_kind)
    space = space_of(parts, resolution, posterior)
    pixels = space.size
    family = family_of(parts, pixels, guidance)
    if parts.vae is not None:
        overflows = isinstance(family, Sdxl) and parts.vae.config.force_upcast
        vae_kind = kind if vae_dtype == "auto" else chosen_dtype(vae_dtype, device)
        with quiet():
            parts.vae.to(device, torch.float32 if overflows and vae_dtype == "auto" else vae_kind)
    for role in ENCODERS:
        if role in parts.text:
            parts.text[role].to(text_device or device)
    alpha_bar, timesteps, prediction = parametrise.schedule(parts.scheduler)
    tokenizer = parts.text["tokenizer"]
    return Pipeline(
        unet=channels_last(parts.network.to(device)),
        family=family,
        space=space,
        alpha_bar=alpha_bar.to(device),
        timesteps=timesteps.to(device),
        prediction=prediction,
        resolution=pixels,
        dtype=kind,
        vocabulary=frozenset(tokenizer.get_vocab()),
        concepts=words.concepts_of(Path(folder)),
    )
