"""The volume rendering integral over packed samples, plain torch or nerfacc (CUDA).

    alpha_i = 1 - exp(-sigma_i delta_i),   T_i = exp(-sum_{j<i} sigma_j delta_j),   w_i = T_i alpha_i

(Max 1995; NeRF, arXiv 2003.08934, equation 3.) A ray's weights and what passes all samples,
``T_end = exp(-sum_j sigma_j delta_j)``, sum to 1.
"""

from functools import cache
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from dream3d.types import Samples


class _Weights(torch.autograd.Function):
    """w from tau = sigma delta, by one running sum over all rays from which each ray's own start is taken.

    The sum is kept in float64: with n samples of optical depth up to 1e5 it still has 6 digits behind
    the point. With s_i = sum_{j>i} g_j w_j over the rest of the ray the gradient is

        dL/dtau_i = g_i (T_i - w_i) - s_i.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, tau: Tensor, ray: Tensor, starts: Tensor) -> Tensor:
        before = exclusive_sum(tau)
        through = torch.exp(before.index_select(0, starts).index_select(0, ray) - before[:-1]).to(tau.dtype)
        weights = torch.expm1(-tau).mul_(through).neg_()
        ctx.save_for_backward(through, weights, ray, starts)
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # pyright: ignore
        through, weights, ray, starts = ctx.saved_tensors
        before = exclusive_sum(grad * weights)
        rest = before.index_select(0, starts[1:]).index_select(0, ray) - before[1:]
        return (through - weights).mul_(grad).sub_(rest.to(grad.dtype)), None, None


def exclusive_sum(x: Float[Tensor, " n"]) -> Float[Tensor, " n+1"]:
    """0, x0, x0 + x1, ...: running sums in float64."""
    total = x.new_zeros(len(x) + 1, dtype=torch.float64)
    torch.cumsum(x, 0, dtype=torch.float64, out=total[1:])
    return total


def ray_starts(ray: Int[Tensor, " n"], n_rays: int) -> Int[Tensor, " edges"]:
    """Where each ray's samples begin; the last entry is n, so ray i has samples [starts[i], starts[i+1])."""
    edges = torch.arange(n_rays + 1, dtype=ray.dtype, device=ray.device)
    return torch.searchsorted(ray, edges, out_int32=True)


def weights_torch(density: Float[Tensor, " n"], samples: Samples) -> Float[Tensor, " n"]:
    """Compositing weights by plain torch, on any device."""
    tau = density * (samples.end - samples.start).to(density.dtype)
    return _Weights.apply(tau, samples.ray, ray_starts(samples.ray, samples.n_rays))  # pyright: ignore[reportReturnType]


def weights_nerfacc(density: Float[Tensor, " n"], samples: Samples) -> Float[Tensor, " n"]:
    """The same by nerfacc's CUDA kernels (arXiv 2305.04966)."""
    from nerfacc import render_weight_from_density

    return render_weight_from_density(
        samples.start, samples.end, density, ray_indices=samples.ray, n_rays=samples.n_rays
    )[0]


@cache
def backend(device: str) -> Literal["torch", "nerfacc"]:
    """Which twin ``weights`` uses on a device type: nerfacc if it is CUDA and its kernels load."""
    if device != "cuda":
        return "torch"
    try:
        from nerfacc.cuda._backend import _C  # pyright: ignore[reportAttributeAccessIssue]
    except (ImportError, OSError, RuntimeError):  # nerfacc compiles on first use and may fail to
        return "torch"
    return "torch" if _C is None else "nerfacc"


def weights(density: Float[Tensor, " n"], samples: Samples) -> Float[Tensor, " n"]:
    """Compositing weights of packed samples, with gradient to the density."""
    if backend(density.device.type) == "nerfacc" and density.dtype == torch.float32:
        return weights_nerfacc(density, samples)
    return weights_torch(density, samples)


def accumulate(weights: Float[Tensor, " n"], values: Float[Tensor, "n c"], samples: Samples) -> Float[Tensor, "r c"]:
    """Each ray's sum of ``weights * values``: premultiplied by the ray's alpha by construction."""
    out = values.new_zeros(samples.n_rays, values.shape[1])
    return out.index_add(0, samples.ray, weights[:, None] * values)
