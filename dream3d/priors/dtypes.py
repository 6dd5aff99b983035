"""What a prior computes in."""

import torch

from dream3d.errors import UserError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def chosen_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto``: float16 on CUDA, bfloat16 on CPUs that compute in it (AVX512-BF16, AMX), else float32."""
    if name != "auto":
        if name not in DTYPES:
            raise UserError(f"prior.dtype: got '{name}', expected auto, {', '.join(DTYPES)}")
        return DTYPES[name]
    if device.type == "cuda":
        return torch.float16
    native = [
        getattr(torch.cpu, probe, lambda: False)
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    ]
    return torch.bfloat16 if device.type == "cpu" and any(probe() for probe in native) else torch.float32
