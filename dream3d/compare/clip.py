"""A CLIP from disk, for scores of pictures against captions. Nothing is ever downloaded."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel

from dream3d.errors import UserError

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Clip:
    """A CLIP (arXiv 2103.00020) and its tokenizer."""

    model: Any
    tokenizer: Any

    @torch.no_grad()
    def images(self, pictures: Float[Tensor, "n h w 3"]) -> Float[Tensor, "n d"]:
        """Embeddings of pictures with values in [0, 1], resized to what the network wants."""
        size = self.model.config.vision_config.image_size
        x = F.interpolate(pictures.permute(0, 3, 1, 2), size=(size, size), mode="bicubic", antialias=True)
        mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
        return tensor(self.model.get_image_features(pixel_values=(x.clamp(0, 1) - mean) / std))

    @torch.no_grad()
    def texts(self, captions: list[str]) -> Float[Tensor, "n d"]:
        """Embeddings of captions."""
        limit = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(captions, padding=True, truncation=True, max_length=limit, return_tensors="pt")
        return tensor(self.model.get_text_features(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask))


def tensor(output: Any) -> Tensor:
    """The embedding itself, where transformers wraps it."""
    return output if isinstance(output, Tensor) else output.pooler_output


def load(place: str) -> Clip:
    """The CLIP in a folder, or a hub id that is on disk already.

    Raises:
        UserError: there is none.
    """
    try:
        model = CLIPModel.from_pretrained(place, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"clip: got '{place}', which is no CLIP on disk; give the folder of one in the transformers format"
        ) from error
    return Clip(model.eval(), tokenizer)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
