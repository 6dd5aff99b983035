"""Prompts to hidden states, as the diffusers pipelines of each family do it.

Families that also want a pooled embedding (SDXL, SD 3, Flux) get it packed into the same tensor:
rows behind the tokens hold it, padded with zeros (``pack``). So one tensor a prompt travels through
``Conditioning``, and mixing or batching prompts needs no second path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from diffusers.loaders import TextualInversionLoaderMixin
from jaxtyping import Float, Int
from torch import Tensor

from dream3d.priors.loading.components import ENCODERS, quiet
from dream3d.priors.parts import Component, by_name


@dataclass(frozen=True)
class Freed:
    """In a text encoder's place once its weights are gone: what it was like, and no more."""

    config: Any
    device: torch.device

    def __call__(self, *_args: object, **_more: object) -> Any:
        raise ValueError(
            "embed: the text encoders were freed once the run's prompts were embedded; load the prior again"
        )


def freed(parts: Mapping[str, Component]) -> dict[str, Any]:
    """The parts without the weights of their text encoders."""
    return {k: Freed(p.config, p.device) if k in ENCODERS else p for k, p in parts.items()}


def rows_for(size: int, width: int) -> int:
    """Rows of ``width`` numbers that hold ``size``."""
    return -(-size // width)


def pack(hidden: Float[Tensor, "b l c"], pooled: Float[Tensor, "b p"]) -> Float[Tensor, "b m c"]:
    """``ceil(p / c)`` rows more than ``hidden``, which hold ``pooled`` and zeros."""
    width = hidden.shape[-1]
    rows = rows_for(pooled.shape[-1], width)
    padded = F.pad(pooled, (0, rows * width - pooled.shape[-1]))
    return torch.cat((hidden, padded.unflatten(-1, (rows, width)).to(hidden)), dim=1)


def unpack(packed: Float[Tensor, "b m c"], size: int) -> tuple[Float[Tensor, "b l c"], Float[Tensor, "b p"]]:
    """The inverse of ``pack`` for a pooled embedding of ``size`` numbers."""
    rows = rows_for(size, packed.shape[-1])
    return packed[:, :-rows], packed[:, -rows:].flatten(1)[:, :size]


def spelled_out(tokenizer: Component, prompts: Sequence[str]) -> list[str]:
    """A learned word of several vectors (textual inversion) becomes its several tokens, as in diffusers."""
    return [*TextualInversionLoaderMixin().maybe_convert_prompt(list(prompts), cast(Any, tokenizer))]


def tokens(
    tokenizer: Component, prompts: Sequence[str], length: int, device: torch.device
) -> tuple[Int[Tensor, "b l"], Int[Tensor, "b l"]]:
    """Token ids and attention mask, padded and cut to ``length``."""
    batch = tokenizer(
        spelled_out(tokenizer, prompts),
        padding="max_length",
        max_length=length,
        truncation=True,
        return_tensors="pt",
    )
    return batch.input_ids.to(device), batch.attention_mask.to(device)


def cut(tokenizer: Component, prompt: str, length: int) -> str:
    """What of a prompt lies beyond the ``length`` tokens that are read; empty where all of it is."""
    (said,) = spelled_out(tokenizer, [prompt])
    with quiet():  # the tokenizer would warn of what is said better here
        ids = tokenizer(said, truncation=False).input_ids
    if len(ids) <= length:
        return ""
    kept = tokenizer(said, truncation=True, max_length=length).input_ids
    same = next((i for i, (a, b) in enumerate(zip(kept, ids, strict=False)) if a != b), len(kept))
    return tokenizer.decode(ids[same:], skip_special_tokens=True).strip()


def clip_last(encoder: Component, tokenizer: Component, prompts: Sequence[str]) -> Float[Tensor, "b l c"]:
    """Last hidden states of a CLIP text model (SD 1 and 2, the embedded prior)."""
    ids, mask = tokens(tokenizer, prompts, tokenizer.model_max_length, encoder.device)
    masked = by_name(encoder.config, "use_attention_mask")
    return encoder(ids, attention_mask=mask if masked else None)[0]


def clip_pooled(encoder: Component, tokenizer: Component, prompts: Sequence[str]) -> Float[Tensor, "b p"]:
    """The pooled output of a CLIP text model without projection (Flux)."""
    ids, _ = tokens(tokenizer, prompts, tokenizer.model_max_length, encoder.device)
    return encoder(ids).pooler_output


def clip_penultimate(
    encoder: Component, tokenizer: Component, prompts: Sequence[str]
) -> tuple[Float[Tensor, "b l c"], Float[Tensor, "b p"]]:
    """Second to last hidden states and the first output, pooled where there is a projection (SDXL, SD 3)."""
    ids, _ = tokens(tokenizer, prompts, tokenizer.model_max_length, encoder.device)
    out = encoder(ids, output_hidden_states=True)
    pooled = out[0] if out[0].ndim == 2 else out.pooler_output
    return out.hidden_states[-2], pooled


def t5(
    encoder: Component, tokenizer: Component, prompts: Sequence[str], length: int, masked: bool
) -> Float[Tensor, "b l c"]:
    """Hidden states of a T5 encoder; DeepFloyd IF masks the padding, SD 3 and Flux do not."""
    ids, mask = tokens(tokenizer, prompts, length, encoder.device)
    return encoder(ids, attention_mask=mask if masked else None)[0]
