"""Data types of a prior's network and VAE."""

import torch

from dream3d.errors import UserError
from dream3d.priors.loading.components import quiet
from dream3d.priors.parts import Component

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def chosen_dtype(name: str, device: torch.device, setting: str = "prior.dtype") -> torch.dtype:
    """``auto``: float16 on CUDA, bfloat16 on CPUs that compute in it (AVX512-BF16, AMX), else float32."""
    if name != "auto":
        if name not in DTYPES:
            raise UserError(f"{setting}: got '{name}', expected auto, {', '.join(DTYPES)}")
        return DTYPES[name]
    if device.type == "cuda":
        return torch.float16
    native = [
        getattr(torch.cpu, probe, lambda: False) for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    ]
    return torch.bfloat16 if device.type == "cpu" and any(probe() for probe in native) else torch.float32


def cast_vae(vae: Component | None, name: str, network: torch.dtype, device: torch.device, *, overflows: bool) -> None:
    """``auto``: as the network, but float32 where the VAE says that it overflows in half (SDXL)."""
    if vae is None:
        return
    kind = network if name == "auto" else chosen_dtype(name, device, "prior.vae_dtype")
    with quiet():
        vae.to(torch.float32 if name == "auto" and overflows and vae.config.force_upcast else kind)
