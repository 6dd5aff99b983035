"""Activations from a network's raw output to a density >= 0."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def softplus(raw: Float[Tensor, " n"], gain: float = 1.0) -> Float[Tensor, " n"]:
    """``gain log(1 + exp(raw))``: linear growth. A gain > 1 reaches solid densities in fewer steps."""
    return gain * F.softplus(raw)


def exp(raw: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """``exp(raw)``: grows fast; overflows above raw = 88 in float32."""
    return torch.exp(raw)


class _TruncExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, raw: Tensor, limit: float) -> Tensor:
        ctx.save_for_backward(raw)
        ctx.limit = limit
        return torch.exp(raw)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (raw,) = ctx.saved_tensors
        return grad * torch.exp(raw.clamp(-ctx.limit, ctx.limit)), None


def trunc_exp(raw: Float[Tensor, " n"], limit: float = 15.0) -> Float[Tensor, " n"]:
    """``exp(raw)`` whose derivative is ``exp(clamp(raw, -limit, limit))`` (torch-ngp's trunc_exp).

    The bound keeps a single runaway point from dominating a step, and the floor keeps an empty point alive.
    """
    out: Tensor = _TruncExp.apply(raw, limit)  # type: ignore[assignment]
    return out
