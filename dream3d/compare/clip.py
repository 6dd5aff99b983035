"""A CLIP model from disk, to score images against captions. Nothing is ever downloaded.

In transformers format (a folder, or a cached hub id), or for open_clip: ``open_clip:NAME:FILE``.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel

from dream3d.errors import UserError
from dream3d.priors.parts import CLIP_MEAN, CLIP_STD, Component, by_name

OPEN_CLIP = "open_clip:"


@dataclass(frozen=True)
class Clip:
    """A CLIP model (arXiv 2103.00020): its name, image size in pixels, and the two encoders."""

    name: str
    size: int
    encode_images: Callable[[Tensor], Tensor]
    encode_texts: Callable[[list[str]], Tensor]

    @torch.no_grad()
    def images(self, pictures: Float[Tensor, "n h w 3"]) -> Float[Tensor, "n d"]:
        """Embeddings of images with values in [0, 1], resized to the network's input size."""
        x = F.interpolate(pictures.permute(0, 3, 1, 2), size=(self.size, self.size), mode="bicubic", antialias=True)
        mean, std = (torch.tensor(v)[:, None, None] for v in (CLIP_MEAN, CLIP_STD))
        return self.encode_images((x.clamp(0, 1) - mean) / std)

    @torch.no_grad()
    def texts(self, captions: list[str]) -> Float[Tensor, "n d"]:
        """Embeddings of captions."""
        return self.encode_texts(captions)


def load(place: str) -> Clip:
    """The CLIP model of a folder, a cached hub id, or an open_clip file.

    Raises:
        UserError: there is none.
    """
    if place.startswith(OPEN_CLIP):
        return from_open_clip(*named(place))
    try:
        model = CLIPModel.from_pretrained(place, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"clip: got '{place}', which is not a CLIP model on disk; give a folder in transformers format, "
            "or open_clip:NAME:FILE, such as open_clip:ViT-B-32:weights.pt"
        ) from error
    return from_transformers(Path(place).name, model, tokenizer)


def from_transformers(name: str, model: Component, tokenizer: Component) -> Clip:
    """The encoders of a CLIP model in transformers format."""
    model.eval()
    limit = model.config.text_config.max_position_embeddings

    def texts(captions: list[str]) -> Tensor:
        tokens = tokenizer(captions, padding=True, truncation=True, max_length=limit, return_tensors="pt")
        return tensor(model.get_text_features(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask))

    def images(pixels: Tensor) -> Tensor:
        return tensor(model.get_image_features(pixel_values=pixels))

    return Clip(name, model.config.vision_config.image_size, images, texts)


def tensor(output: object) -> Tensor:
    """The embedding, unwrapped from transformers' output object."""
    found = output if isinstance(output, Tensor) else by_name(output, "pooler_output")
    assert isinstance(found, Tensor)
    return found


def named(place: str) -> tuple[str, Path]:
    """Name and file of ``open_clip:NAME:FILE``. Raises UserError if they are missing."""
    name, colon, file = place.removeprefix(OPEN_CLIP).partition(":")
    path = Path(file).expanduser()
    if not name or not colon or not path.is_file():
        raise UserError(
            f"clip: got '{place}', expected open_clip:NAME:FILE with a weights file on disk, "
            "such as open_clip:ViT-B-32:weights.pt"
        )
    return name, path


def from_open_clip(name: str, file: Path) -> Clip:
    """The encoders of a model of open_clip with the weights in a file.

    Raises:
        UserError: the package is not installed, or the file does not hold these weights.
    """
    try:
        open_clip = importlib.import_module("open_clip")
    except ImportError as error:
        raise UserError(
            "clip: got an open_clip model, but open_clip is not installed; pip install open_clip_torch"
        ) from error
    try:
        model, _, _ = open_clip.create_model_and_transforms(name, pretrained=str(file), device="cpu")
        tokenizer = open_clip.get_tokenizer(name)
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        raise UserError(
            f"clip: got '{file}', which does not load as {name} of open_clip ({' '.join(str(error).split())[:120]}); "
            "give the weights of that model"
        ) from error
    model.eval()
    size = model.visual.image_size
    side = size if isinstance(size, int) else size[0]
    return Clip(
        f"{name} ({file.stem})", side, model.encode_image, lambda captions: model.encode_text(tokenizer(captions))
    )
