"""The parts of a folder in the diffusers layout, loaded one by one as its model_index.json names them.

Only what a prior needs is loaded: no safety checker, no image encoder. Classes come from diffusers,
transformers or dream3d; anything else is an error, so that no folder can run code of its own.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers.utils import logging as transformers_logging

from dream3d.errors import UserError
from dream3d.priors.parts import Component, by_name

NETWORKS = ("unet", "transformer")
ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")
ROLES = (*NETWORKS, "vae", *ENCODERS, *TOKENIZERS, "scheduler")
WITH_WEIGHTS = (*NETWORKS, "vae", *ENCODERS)


Index = Mapping[str, Any]
"""model_index.json: of every part its library and class, or a setting of the pipeline."""


@dataclass(frozen=True)
class Components:
    """The loaded parts; ``text`` holds encoders and tokenizers by their names in model_index.json."""

    network: Component
    scheduler: Component
    vae: Component | None
    text: Mapping[str, Component]
    index: Index


def read_index(folder: Path) -> Index:
    """model_index.json. Raises UserError when there is none or it is not JSON."""
    file = folder / "model_index.json"
    if not file.is_file():
        raise UserError(f"{folder} has no model_index.json; expected a folder as diffusers' save_pretrained writes it")
    try:
        return json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is not valid JSON ({error}); download or save the folder again") from error


def wanted(index: Index) -> dict[str, tuple[str, str]]:
    """role -> (library, class) of the parts a prior needs; absent and null ones are left out."""
    listed = {role: index.get(role) for role in ROLES}
    return {role: (entry[0], entry[1]) for role, entry in listed.items() if entry and entry[0] and entry[1]}


def component_class(role: str, library: str, name: str) -> Component:
    """The class of a part. Raises UserError unless it is one of diffusers, transformers or dream3d."""
    if library not in ("diffusers", "transformers") and not library.startswith("dream3d."):
        raise UserError(
            f"{role}: got class {library}.{name}, expected one of diffusers, transformers or dream3d; "
            "folders that bring their own code are not loaded"
        )
    try:
        found = by_name(importlib.import_module(library), name)
    except ImportError:
        found = None
    if found is None or by_name(found, "from_pretrained") is None:
        raise UserError(
            f"{role}: got class {library}.{name}, which is not installed; upgrade {library.partition('.')[0]}"
        )
    return found


def variant_of(folder: Path) -> str | None:
    """None for plain weights files; "fp16" and the like where only ``model.fp16.safetensors`` exist."""
    files = [f for suffix in ("safetensors", "bin") for f in sorted(folder.glob(f"*.{suffix}"))]
    stems = [f.stem.split("-000")[0] for f in files]
    if not stems or any("." not in stem for stem in stems):
        return None
    return stems[0].split(".")[-1]


def load_components(folder: Path, dtype: torch.dtype, text_dtype: torch.dtype) -> Components:
    """Load the parts on the CPU, frozen, the VAE in float32.

    Raises:
        UserError: a part is missing, cannot be loaded, or has a foreign class.
    """
    index = read_index(folder)
    dtypes = {**dict.fromkeys(NETWORKS, dtype), "vae": torch.float32, **dict.fromkeys(ENCODERS, text_dtype)}
    with quiet():
        parts = {role: _load(folder, role, *entry, dtypes.get(role)) for role, entry in wanted(index).items()}
    return split(parts, index, str(folder))


def split(parts: Mapping[str, Component], index: Index, origin: str) -> Components:
    """Loaded parts by what they are for. Raises UserError where a prior's needs are not met."""
    network = next((parts[role] for role in NETWORKS if role in parts), None)
    if network is None or "scheduler" not in parts or "text_encoder" not in parts:
        raise UserError(
            f"{origin}: got the parts {', '.join(parts) or 'none'}; expected unet or transformer, scheduler, "
            "text_encoder and tokenizer; use a text-to-image folder"
        )
    texts = {role: part for role, part in parts.items() if role in ENCODERS + TOKENIZERS}
    return Components(network, parts["scheduler"], parts.get("vae"), texts, index)


def _load(folder: Path, role: str, library: str, name: str, dtype: torch.dtype | None) -> Component:
    kind = component_class(role, library, name)
    place = folder / role
    if not place.is_dir():
        raise UserError(f"{folder} lists {role} but has no folder {role}/; the download is not complete")
    try:
        if dtype is None:
            return kind.from_pretrained(place, local_files_only=True)
        part = kind.from_pretrained(place, torch_dtype=dtype, variant=variant_of(place), local_files_only=True)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{place}: {name} cannot be loaded ({reason}); download or save the folder again") from error
    assert isinstance(part, nn.Module)
    return part.eval().requires_grad_(False)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars or notes of the two libraries inside."""
    before = transformers_logging.get_verbosity(), diffusers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled(), diffusers_logging.is_progress_bar_enabled()
    for library in (transformers_logging, diffusers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level, bar in zip((transformers_logging, diffusers_logging), before, bars, strict=True):
            library.set_verbosity(level)
            if bar:
                library.enable_progress_bar()


@contextmanager
def loading(key: str, place: Path) -> Iterator[None]:
    """Inside, the libraries are quiet, and a folder that they cannot load is a UserError of the setting ``key``."""
    try:
        with quiet():
            yield
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{key}: {place} cannot be loaded ({reason}); download it again") from error
