"""Any diffusers text-to-image folder as a ``ScoreModel``: latent or pixel; noise, v, sample or flow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from dream3d.priors import parametrise
from dream3d.priors.addons import add_files
from dream3d.priors.components import ENCODERS, Components, load_components, quiet
from dream3d.priors.control import Control, load_control
from dream3d.priors.dtypes import chosen_dtype
from dream3d.priors.families import Family, Mini, Sdxl, cut_words, family_of
from dream3d.priors.memory import ONE, Batch, estimate, fits, room_for
from dream3d.priors.mini import words
from dream3d.priors.multiview import MultiView, seeing_together
from dream3d.priors.options import DEFAULT, Options, save_memory, save_time
from dream3d.priors.parametrise import Prediction
from dream3d.priors.resolve import resolve
from dream3d.priors.single_file import is_single_file, load_single_file
from dream3d.priors.spaces import Space, space_of
from dream3d.types import Camera, EpsSet, Image, Render, Text


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
        notes: what the user should know of it before the run.
        control: a ControlNet that acts where a text brings its picture (``condition``).
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
    notes: Sequence[str] = ()
    control: Control | None = None

    @property
    def camera(self) -> bool:
        """Is the network told the camera?"""
        return isinstance(self.family, Mini | MultiView)

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

    def condition(self, render: Render, camera: Camera) -> Float[Tensor, "b 3 y x"] | None:
        """What the ControlNet is shown of a render (``Text.control``); None without one."""
        return None if self.control is None else self.control.picture(render, camera)

    def cut(self, prompts: Sequence[str]) -> list[str]:
        """What the text encoders will not read of these prompts, for they are too long."""
        return cut_words(self.family, prompts)

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
        control: Float[Tensor, "b 3 y x"] | None = None,
    ) -> Float[Tensor, "b *d"]:
        """The network's own output in float32, with gradient."""
        x, network = x_t, self.unet
        if control is not None and self.control is not None:
            network = self.control.on(self.unet, control)
        if self.prediction == "flow_prediction":
            x = x_t * parametrise.flow_scale(*self.alpha_sigma(t, x_t))
        x, embedding = x.to(self.dtype), embedding.to(self.dtype)
        return self.family.call(network, x, self.timesteps[t], embedding, camera).float()

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
        camera, control = (None if item is None else item[index] for item in (text.camera, text.control))
        out = self.predict(x, at, torch.cat(embeddings), camera, control)
        cond, *others = self.to_eps(out, x, at).split([len(rows) for rows in order])
        null = cond if text.null is text.cond else others[0]
        negatives = None if text.negatives is None else others[-1].unflatten(0, (b, k))
        return EpsSet(cond, null, negatives, text.weights)


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
    config: str | None = None,
    lora: str | None = None,
    lora_scale: float = 1.0,
    embeddings: str | None = None,
    control: str | None = None,
    control_kind: str = "depth",
    control_scale: float = 1.0,
    options: Options = DEFAULT,
    memory_check: bool = True,
    batch: Batch = ONE,
) -> Pipeline:
    """The prior at ``path`` (folder, hub id or .safetensors file), or the first of ``places`` that is there.

    Args:
        dtype: of the network: ``auto``, float32, float16 or bfloat16 (``dtypes.py``).
        vae_dtype: the same of the VAE (``cast_vae``).
        text_device: where prompts are embedded (once a run); None: ``device``.
        resolution: pixels of the images it wants; None: what it was trained at.
        posterior: the VAE's mean, or a sample of it (``encode`` then needs a generator).
        guidance: what guidance-distilled models (Flux dev) are told.
        offline: never touch the network.
        config: where the tokenizer and configurations of a single file are; None: known by its kind.
        lora, lora_scale: a LoRA file merged into the weights, and how much of it (``addons.py``).
        embeddings: a textual-inversion file, whose word can then be used in prompts.
        control, control_kind, control_scale: a ControlNet and what it is shown (``control.py``).
        options: switches that trade time for memory (``options.py``).
        memory_check: refuse where ``batch`` cannot fit the device's free memory (``memory.py``).

    Raises:
        UserError: nothing usable there, with the reason for each place and the fix.
    """
    device = torch.device(device)
    kind = chosen_dtype(dtype, device)
    text_kind = torch.float32 if torch.device(text_device or device).type == "cpu" else kind
    folder, parts = opened(path, places, (kind, text_kind), config, offline=offline, check=memory_check)
    notes = add_files(parts, lora, lora_scale, embeddings)
    space = space_of(parts, resolution, posterior)
    family = family_of(parts, space.size, guidance)
    if parts.vae is not None:
        cast_vae(parts.vae, vae_dtype, kind, device, overflows=isinstance(family, Sdxl))
    save_memory(options, parts.network, parts.vae)
    family = seeing_together(family, parts.network)
    texts = [parts.text[role] for role in ENCODERS if role in parts.text]
    resident = [parts.network, *([parts.vae] if parts.vae else []), *(() if text_device else texts)]
    shown = None
    if control is not None:
        shown = load_control(control, control_kind, control_scale, space.size, parts.network)
        resident.append(shown.net)
    needs = estimate(parts.network, family, space, resident, kind, batch)
    notes.append(fits(needs, batch, device, memory_check))
    for part, place in [*((p, device) for p in resident), *((e, text_device or device) for e in texts)]:
        part.to(place)
    save_time(options, parts.network)
    alpha_bar, timesteps, prediction = parametrise.schedule(parts.scheduler)
    return Pipeline(
        unet=parts.network,
        family=family,
        space=space,
        alpha_bar=alpha_bar.to(device),
        timesteps=timesteps.to(device),
        prediction=prediction,
        resolution=space.size,
        dtype=kind,
        vocabulary=frozenset(parts.text["tokenizer"].get_vocab()),
        concepts=words.concepts_of(folder),
        notes=notes,
        control=shown,
    )


def cast_vae(vae: Any, name: str, network: torch.dtype, device: torch.device, *, overflows: bool) -> None:
    """``auto``: as the network, but float32 where the VAE says that it overflows in half (SDXL)."""
    kind = network if name == "auto" else chosen_dtype(name, device)
    with quiet():
        vae.to(torch.float32 if name == "auto" and overflows and vae.config.force_upcast else kind)


def opened(
    path: str | None,
    places: Sequence[str],
    dtypes: tuple[torch.dtype, torch.dtype],
    config: str | None,
    *,
    offline: bool,
    check: bool,
) -> tuple[Path, Components]:
    """(where, parts) of a single file, or of the first folder that is usable."""
    if path is not None and is_single_file(path):
        return Path(path), load_single_file(path, config, offline, *dtypes)
    folder = resolve(path, places, offline)
    room_for(folder, check)
    return folder, load_components(folder, *dtypes)
