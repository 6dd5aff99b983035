"""Weights as int8 with one float32 scale an output channel: a quarter of float32's size on disk.

``name`` (int8) and ``name.scale`` belong together: ``weight = name * name.scale``. Embeddings, biases, norms and
whatever has few numbers stay float16.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

FEW = 4096
"""Tensors up to this many numbers are not worth a scale."""
SCALE = ".scale"


def quantized(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict to what is stored; symmetric, round to nearest: ``|error| <= scale / 2``."""
    stored: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.ndim < 2 or value.numel() <= FEW or "embedding" in name:
            stored[name] = value.detach().half().contiguous()
            continue
        weight = value.detach().float()
        scale = (weight.flatten(1).abs().amax(1).clamp(min=1e-8) / 127).view(-1, *[1] * (weight.ndim - 1))
        stored[name] = (weight / scale).round().to(torch.int8).contiguous()
        stored[name + SCALE] = scale
    return stored


def dequantized(stored: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """What ``quantized`` stored as a state dict of ``dtype``."""
    return {
        name: (value.float() * stored[name + SCALE] if name + SCALE in stored else value).to(dtype)
        for name, value in stored.items()
        if not (name.endswith(SCALE) and name.removesuffix(SCALE) in stored)
    }


def save(state: Mapping[str, Tensor], file: Path) -> None:
    """Write a state dict to a .safetensors file."""
    save_file(quantized(state), file, {"format": "pt"})


def load(file: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """Read a state dict. Raises OSError or safetensors' error for a missing or damaged file."""
    return dequantized(load_file(file), dtype)
