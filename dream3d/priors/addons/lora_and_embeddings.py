"""Additions to a prior: low-rank adapters (LoRA) and learned tokens (textual inversion).

Both are read by diffusers' own loaders, in all the layouts they know. A LoRA is merged into the weights
(arXiv 2106.09685: ``W + scale (alpha / r) B A``), so that a step costs no more and VSD's student
finds plain layers; learned embeddings (arXiv 2208.01618) become tokens of the tokenizers.
"""

from pathlib import Path

import diffusers
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dream3d.errors import UserError
from dream3d.priors.loading.components import ENCODERS, NETWORKS, Components, quiet
from dream3d.priors.parts import Component, by_name

LORA_FILE = "pytorch_lora_weights.safetensors"  # what diffusers' save_lora_weights writes
ADAPTER = "file"
CLIP_OF = {"clip_l": "", "clip_g": "_2"}  # SDXL's files have a table for each encoder
BROKEN = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError)


def assembled(parts: Components, setting: str, able: str) -> Component:
    """The parts as the diffusers pipeline that their model_index.json names.

    Raises UserError where that pipeline has no method ``able``, naming the setting.
    """
    name = str(parts.index.get("_class_name"))
    kind = by_name(diffusers, name)
    if kind is None or by_name(kind, able) is None:
        raise UserError(
            f"{setting}: got a prior of class {name}, which takes no such files; expected Stable Diffusion "
            f"or its like; leave out {setting} or choose another prior"
        )
    role = next(role for role in NETWORKS if parts.index.get(role))
    given = {**parts.text, role: parts.network, "vae": parts.vae, "scheduler": parts.scheduler}
    required, optional = kind._get_signature_keys(kind)
    more = {"requires_safety_checker": False} if "requires_safety_checker" in optional else {}
    with quiet():
        return kind(**{name: given.get(name) for name in required}, **more)


def file_of(setting: str, path: str, inside: str | None = None) -> Path:
    """The safetensors file at ``path`` (or ``inside`` the folder there). UserError if there is none."""
    place = Path(path).expanduser()
    if inside is not None and place.is_dir():
        place = place / inside
    if not place.is_file() or place.suffix != ".safetensors":
        raise UserError(f"{setting}: got '{path}', expected a .safetensors file that exists; check the path")
    return place


def unreadable(setting: str, file: Path, error: Exception) -> UserError:
    """The error for a weights file that does not match the prior's base model."""
    reason = " ".join(str(error).split())[:200]
    return UserError(f"{setting}: {file} does not fit this prior ({reason}); use one made for its base model")


def add_files(parts: Components, lora: str | None, scale: float, embeddings: str | None) -> list[str]:
    """Load both kinds of files, if given. Returns notes for the user."""
    notes = [] if embeddings is None else [f"learned words: {' '.join(add_embeddings(parts, embeddings))}"]
    if lora is not None:
        add_lora(parts, lora, scale)
    return notes


@torch.no_grad()
def add_lora(parts: Components, path: str, scale: float) -> None:
    """Merge a LoRA file into network and text encoders, in place.

    Raises:
        UserError: no such file, a prior that takes none, or adapters that have no place in this prior.
    """
    setting = "prior.lora"
    pipeline, file = assembled(parts, setting, "load_lora_weights"), file_of(setting, path, LORA_FILE)
    try:
        with quiet(), torch.random.fork_rng(devices=[]):  # peft fills adapters at random before they are read
            read = pipeline.lora_state_dict(file)
            pipeline.load_lora_weights(file, adapter_name=ADAPTER)
    except BROKEN as error:
        raise unreadable(setting, file, error) from error
    state = read[0] if isinstance(read, tuple) else read
    wanted = sum(bool(tensor.any()) for name, tensor in state.items() if is_up(name))
    found = sum(bool(up.any()) for up in loaded(parts))
    if found < wanted or not wanted:
        raise UserError(
            f"{setting}: {file} has {wanted} adapters, of which {found} have a place in this prior; expected "
            "all of at least one; use one made for its base model"
        )
    with quiet():
        names = [
            name
            for name in pipeline._lora_loadable_modules
            if name in pipeline.components and pipeline.components[name] is not None
        ]
        pipeline.fuse_lora(components=names, lora_scale=scale)
        pipeline.unload_lora_weights()


def is_up(name: str) -> bool:
    """Whether this is the B matrix of an adapter (names of diffusers, peft and kohya)."""
    return name.endswith((".lora_B.weight", ".lora_up.weight", ".up.weight"))


def loaded(parts: Components) -> list[Tensor]:
    """The B matrices of all adapters that match a layer of the model."""
    modules = [parts.network, *(parts.text[role] for role in ENCODERS if role in parts.text)]
    from peft.tuners.lora import LoraLayer

    layers = [layer for module in modules for layer in module.modules() if isinstance(layer, LoraLayer)]
    return [layer.lora_B[ADAPTER].weight for layer in layers if ADAPTER in layer.lora_B]  # pyright: ignore


@torch.no_grad()
def add_embeddings(parts: Components, path: str) -> list[str]:
    """Add the tokens of a textual-inversion file to tokenizers and text encoders. Returns the tokens.

    Raises:
        UserError: no such file, a prior that takes none, a word that exists, vectors of another width.
    """
    setting = "prior.embeddings"
    pipeline, file = assembled(parts, setting, "load_textual_inversion"), file_of(setting, path)
    try:
        state = load_file(file)
        tables = [(file.stem, state[key], suffix) for key, suffix in CLIP_OF.items() if key in state]
        if not tables:
            tables = [(file.stem if key == "emb_params" else key, v, "") for key, v in state.items()]
        before = set(parts.text["tokenizer"].get_vocab())
        with quiet():
            for word, vectors, suffix in tables:
                encoder, tokenizer = parts.text[f"text_encoder{suffix}"], parts.text[f"tokenizer{suffix}"]
                pipeline.load_textual_inversion(
                    vectors.to(encoder.dtype), token=word, text_encoder=encoder, tokenizer=tokenizer
                )
    except BROKEN as error:
        raise unreadable(setting, file, error) from error
    for role in ENCODERS:
        if role in parts.text:
            parts.text[role].requires_grad_(False)
    return sorted(set(parts.text["tokenizer"].get_vocab()) - before)
