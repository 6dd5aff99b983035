"""The embedded prior as a folder in the diffusers layout: making, widening and saving one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler
from jaxtyping import Float
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from dream3d.priors.mini.network import MiniUNet

MAX_WORDS = 12
PAD, UNKNOWN = "[PAD]", "[UNK]"


@dataclass
class MiniPipeline:
    """The four parts of the folder."""

    unet: MiniUNet
    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerFast
    scheduler: DDIMScheduler

    def embed(self, captions: list[str]) -> Float[Tensor, "b l e"]:
        """Hidden states of the captions, padded on the left to a fixed length."""
        tokens = self.tokenizer(captions, padding="max_length", max_length=MAX_WORDS, truncation=True)
        ids = torch.tensor(tokens["input_ids"], device=self.text_encoder.device)
        return self.text_encoder(input_ids=ids).last_hidden_state


def word_tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    """One token a word, lower case; padding goes on the left, so that the last token is always a word's."""
    table = {word: i for i, word in enumerate([PAD, UNKNOWN, *words])}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Lowercase(),
        normalizers.Replace(Regex(r"[^a-z0-9\- ]"), " "),
        normalizers.Replace(Regex(r"\ban\b"), "a"),  # captions only have "a"
    ])  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=PAD,
        model_max_length=MAX_WORDS, padding_side="left",
    )  # fmt: skip


def new_mini(words: list[str], width: int = 256, image_size: int = 64) -> MiniPipeline:
    """Untrained weights. The alpha_bar schedule is the cosine one (arXiv 2102.09672), v-prediction."""
    text = CLIPTextConfig(
        vocab_size=len(words) + 2, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=MAX_WORDS, eos_token_id=0, bos_token_id=0,
        pad_token_id=0, projection_dim=width,
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False,
        set_alpha_to_one=True, timestep_spacing="trailing",
    )  # fmt: skip
    unet = MiniUNet(sample_size=image_size, text_width=width)
    encoder = CLIPTextModel(text)
    words_in: Any = encoder.get_input_embeddings()
    spread(words_in.weight)
    return MiniPipeline(unet, encoder, word_tokenizer(words), scheduler)


def spread(embedding: Tensor) -> None:
    """Word vectors of unit scale: with CLIP's 0.02 they drown in what all captions share."""
    torch.nn.init.normal_(embedding, std=1.0)


def load_mini(folder: Path) -> MiniPipeline:
    """A saved folder in float32."""
    return MiniPipeline(
        MiniUNet.from_pretrained(folder / "unet", torch_dtype=torch.float32),
        CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32),
        PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer"),
        DDIMScheduler.from_pretrained(folder / "scheduler"),  # pyright: ignore[reportArgumentType]
    )


def widen(mini: MiniPipeline, words: list[str]) -> MiniPipeline:
    """The same prior with new words appended to its vocabulary (their embeddings start at random)."""
    known = sorted(mini.tokenizer.get_vocab().items(), key=lambda item: item[1])
    old = [word for word, _ in known if word not in (PAD, UNKNOWN)]
    new = [word for word in words if word not in set(old)]
    if new:
        mini.tokenizer = word_tokenizer(old + new)
        mini.text_encoder.resize_token_embeddings(len(old) + len(new) + 2, mean_resizing=False)
        words_in: Any = mini.text_encoder.get_input_embeddings()
        spread(words_in.weight.data[-len(new) :])
    return mini


def save_mini(mini: MiniPipeline, folder: Path) -> None:
    """Write the diffusers layout, weights in float16."""
    mini.unet.save_pretrained(folder / "unet")
    mini.text_encoder.half().save_pretrained(folder / "text_encoder")
    for part in ("unet", "text_encoder"):
        forget_origin(folder / part / "config.json")
    mini.tokenizer.save_pretrained(folder / "tokenizer")
    mini.scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "DiffusionPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "unet": ["dream3d.priors.mini.network", "MiniUNet"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def forget_origin(file: Path) -> None:
    """Drop the path that a configuration was loaded from."""
    config = json.loads(file.read_text())
    config.pop("_name_or_path", None)
    file.write_text(json.dumps(config, indent=2) + "\n")
