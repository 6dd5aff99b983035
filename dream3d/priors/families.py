"""Text encoding and network call of each model family, one small class each.

``embed`` gives one tensor a prompt (``text.pack``); ``call`` runs the network on a batch and
returns its raw output, shaped like x. ``prediction_type.py`` interprets the output.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from dream3d.errors import UserError
from dream3d.priors import text
from dream3d.priors.loading.components import TOKENIZERS, Components
from dream3d.priors.mini.family import MiniFamily
from dream3d.priors.mini.network import MiniUNet
from dream3d.priors.parts import Component

T5_LENGTH = {"if": 77, "sd3": 256, "flux": 512}


@runtime_checkable
class Family(Protocol):
    """Text and call of one family of networks; a dataclass, whose ``parts`` are encoders and tokenizers."""

    @property
    def parts(self) -> Mapping[str, Component]:
        """Encoders and tokenizers by their name in the diffusers folder."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and width of one prompt's embedding."""
        ...

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "b l c"]:
        """Prompts to embeddings, without gradient."""
        ...

    def call(
        self,
        network: Component,
        x: Float[Tensor, "b c h w"],
        t: Float[Tensor, " b"],
        embedding: Float[Tensor, "b l c"],
        camera: Float[Tensor, "b 17"] | None,
    ) -> Float[Tensor, "b c h w"]:
        """The network's output for x at the timesteps t; ``embedding`` has x's dtype."""
        ...


def told_guidance(guidance: float, width: int | None, x: Float[Tensor, "b c h w"]) -> dict[str, Float[Tensor, "b k"]]:
    """The guidance embedding of a consistency model distilled from guided sampling (LCM, arXiv 2310.04378, Sec. 4.2).

    ``w = guidance - 1`` (1: plain conditional), as sines and cosines of ``1000 w 10000^(-i / (n - 1))``,
    i < n = width / 2. Empty where the network has no such input (width None).
    """
    if width is None:
        return {}
    n = width // 2
    rates = torch.exp(-math.log(10000) * torch.arange(n, device=x.device) / (n - 1))
    angles = 1000 * (guidance - 1) * rates
    row = torch.nn.functional.pad(torch.cat((angles.sin(), angles.cos())), (0, width - 2 * n))
    return {"timestep_cond": row.to(x.dtype).expand(len(x), -1)}


@dataclass(frozen=True)
class StableDiffusion:
    """Stable Diffusion 1 and 2: a UNet, one CLIP text model; few-step models take a guidance embedding."""

    parts: Mapping[str, Component]
    guidance: float = 1.0
    guidance_width: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.parts["tokenizer"].model_max_length, self.parts["text_encoder"].config.hidden_size

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "b l c"]:
        return text.clip_last(self.parts["text_encoder"], self.parts["tokenizer"], prompts)

    def call(
        self, network: Component, x: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None
    ) -> Float[Tensor, "b c h w"]:
        return network(x, t, embedding, **told_guidance(self.guidance, self.guidance_width, x)).sample


@dataclass(frozen=True)
class Instruct(StableDiffusion):
    """InstructPix2Pix (arXiv 2211.09800): Stable Diffusion whose network is also shown a picture to edit, as latents in
    four further channels; all 0 where x comes without them."""

    def call(
        self, network: Component, x: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None
    ) -> Float[Tensor, "b c h w"]:
        missing = network.config.in_channels - x.shape[1]
        return super().call(network, torch.nn.functional.pad(x, (0, 0, 0, 0, 0, missing)), t, embedding, camera)


@dataclass(frozen=True)
class DeepFloyd:
    """DeepFloyd IF, first stage: a pixel UNet and T5; the learned variance channels are dropped."""

    parts: Mapping[str, Component]

    @property
    def shape(self) -> tuple[int, int]:
        return T5_LENGTH["if"], self.parts["text_encoder"].config.d_model

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "b l c"]:
        cleaned = [prompt.lower().strip() for prompt in prompts]
        encoder, tokenizer = self.parts["text_encoder"], self.parts["tokenizer"]
        return text.t5(encoder, tokenizer, cleaned, T5_LENGTH["if"], masked=True)

    def call(
        self, network: Component, x: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None
    ) -> Float[Tensor, "b c h w"]:
        return network(x, t, embedding).sample[:, : x.shape[1]]


@dataclass(frozen=True)
class Sdxl:
    """SDXL: two CLIP text models, a pooled embedding, and sizes as time ids (arXiv 2307.01952, Sec. 2.2)."""

    parts: Mapping[str, Component]
    resolution: int
    zeros_for_empty: bool
    guidance: float = 1.0
    guidance_width: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        width = sum(self.parts[role].config.hidden_size for role in ("text_encoder", "text_encoder_2"))
        pooled = self.parts["text_encoder_2"].config.projection_dim
        return self.parts["tokenizer"].model_max_length + text.rows_for(pooled, width), width

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "b l c"]:
        first, _ = text.clip_penultimate(self.parts["text_encoder"], self.parts["tokenizer"], prompts)
        second, pooled = text.clip_penultimate(self.parts["text_encoder_2"], self.parts["tokenizer_2"], prompts)
        packed = text.pack(torch.cat((first, second), dim=-1), pooled)
        if self.zeros_for_empty:
            packed[[not prompt for prompt in prompts]] = 0
        return packed

    def call(
        self, network: Component, x: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None
    ) -> Float[Tensor, "b c h w"]:
        hidden, pooled = text.unpack(embedding, self.parts["text_encoder_2"].config.projection_dim)
        size = self.resolution
        # original height and width, crop's top and left, target height and width
        ids = torch.tensor([size, size, 0, 0, size, size], dtype=x.dtype, device=x.device).expand(len(x), 6)
        added = {"text_embeds": pooled, "time_ids": ids}
        more = told_guidance(self.guidance, self.guidance_width, x)
        return network(x, t, hidden, added_cond_kwargs=added, **more).sample


@dataclass(frozen=True)
class Sd3:
    """Stable Diffusion 3: two CLIP text models and an optional T5 (arXiv 2403.03206, Sec. 4)."""

    parts: Mapping[str, Component]
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        pooled = sum(self.parts[role].config.projection_dim for role in ("text_encoder", "text_encoder_2"))
        tokens = self.parts["tokenizer"].model_max_length + T5_LENGTH["sd3"]
        return tokens + text.rows_for(pooled, self.width), self.width

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "b l c"]:
        first, pooled = text.clip_penultimate(self.parts["text_encoder"], self.parts["tokenizer"], prompts)
        second, pooled_2 = text.clip_penultimate(self.parts["text_encoder_2"], self.parts["tokenizer_2"], prompts)
        clip = torch.cat((first, second), dim=-1)
        clip = torch.nn.functional.pad(clip, (0, self.width - clip.shape[-1]))
        if "text_encoder_3" in self.parts:
            encoder, tokenizer = self.parts["text_encoder_3"], self.parts["tokenizer_3"]
            long = text.t5(encoder, tokenizer, prompts, T5_LENGTH["sd3"], masked=False).to(clip)
        else:
            long = clip.new_zeros(len(prompts), T5_LENGTH["sd3"], self.width)
        return text.pack(torch.cat((clip, long), dim=1), torch.cat((pooled, pooled_2), dim=-1))

    def call(
        self, network: Component, x: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None
    ) -> Float[Tensor, "b c h w"]:
        hidden, pooled = text.unpack(embedding, network.config.pooled_projection_dim)
        return network(x, hidden, pooled, t).sample


@dataclass(frozen=True)
class Flux:
    """FLUX.1: T5 tokens, CLIP pooled, 2x2 patches; ``guidance`` is the guidance input of distilled (dev) models."""

    parts: Mapping[str, Component]
    guidance: float

    @property
    def shape(self) -> tuple[int, int]:
        width, pooled = (self.parts[f"text_encoder{suffix}"].config.hidden_size for suffix in ("_2", ""))
        return T5_LENGTH["flux"] + text.rows_for(pooled, width), width

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "b l c"]:
        hidden = text.t5(
            self.parts["text_encoder_2"], self.parts["tokenizer_2"], prompts, T5_LENGTH["flux"], masked=False
        )
        return text.pack(hidden, text.clip_pooled(self.parts["text_encoder"], self.parts["tokenizer"], prompts))

    def call(
        self, network: Component, x: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None
    ) -> Float[Tensor, "b c h w"]:
        hidden, pooled = text.unpack(embedding, network.config.pooled_projection_dim)
        h, w = x.shape[2] // 2, x.shape[3] // 2
        patches = torch.nn.functional.pixel_unshuffle(x, 2).flatten(2).transpose(1, 2)
        row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        places = torch.stack((torch.zeros_like(row), row, column), dim=-1).flatten(0, 1).to(x)
        guidance = x.new_full((len(x),), self.guidance) if network.config.guidance_embeds else None
        out = network(patches, hidden, pooled, t / 1000, places, places.new_zeros(hidden.shape[1], 3), guidance).sample
        return torch.nn.functional.pixel_shuffle(out.transpose(1, 2).unflatten(2, (h, w)), 2)


def cut_words(family: Family, prompts: Sequence[str]) -> list[str]:
    """One line for each tokenizer that truncates a prompt, with the part cut off (SD 3 has two kinds)."""
    longer = {DeepFloyd: ("tokenizer", "if"), Sd3: ("tokenizer_3", "sd3"), Flux: ("tokenizer_2", "flux")}
    role_of_t5, kind = longer.get(type(family), ("", ""))
    found: dict[str, None] = {}  # in order, each once
    for role in TOKENIZERS:
        tokenizer = family.parts.get(role)
        if tokenizer is None:
            continue
        for prompt in prompts:
            length = T5_LENGTH[kind] if role == role_of_t5 else tokenizer.model_max_length
            if lost := text.cut(tokenizer, prompt, length):
                found[f"prompt: {role} reads {length} tokens; cut off: '{lost}'; shorten it"] = None
    return list(found)


def family_of(parts: Components, resolution: int, guidance: float) -> Family:
    """The family a folder belongs to, by its network's class. Raises UserError for an unknown one."""
    network, kind = parts.network, type(parts.network).__name__
    if isinstance(network, MiniUNet):
        return MiniFamily(parts.text)
    if kind == "SD3Transformer2DModel":
        return Sd3(parts.text, network.config.joint_attention_dim)
    if kind == "FluxTransformer2DModel":
        return Flux(parts.text, guidance)
    if kind == "UNet2DConditionModel" and network.config.addition_embed_type == "text_time":
        zeros = bool(parts.index.get("force_zeros_for_empty_prompt", True))
        return Sdxl(parts.text, resolution, zeros, guidance, network.config.get("time_cond_proj_dim"))
    if kind == "UNet2DConditionModel" and type(parts.text["text_encoder"]).__name__.startswith("T5"):
        return DeepFloyd(parts.text)
    if kind == "UNet2DConditionModel":
        kind_of_clip = Instruct if network.config.in_channels == 2 * network.config.out_channels else StableDiffusion
        return kind_of_clip(parts.text, guidance, network.config.get("time_cond_proj_dim"))
    raise UserError(
        f"prior: got a network of class {kind}, expected that of Stable Diffusion 1, 2, XL or 3, DeepFloyd "
        "IF, Flux or the embedded prior; choose another folder"
    )
