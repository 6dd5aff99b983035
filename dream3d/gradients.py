"""Gradients of an optimiser's parameters: accumulated loss by loss, averaged over processes, measured, clipped;
learning rates of groups."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn

from dream3d.seeding import processes
from dream3d.types import Camera


class NonFinite(ArithmeticError):
    """A gradient that is not finite, with the step, timesteps and cameras where it occurred."""


def parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """All parameters that the optimizer updates, group after group."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def backward_alone(loss: Tensor, parameters: Sequence[Tensor], *, keep: bool = False) -> Float[Tensor, ""]:
    """Accumulate the loss's gradient; returns its norm. ``keep`` retains the graph for another backward pass."""
    before = [p.grad for p in parameters]
    for p in parameters:
        p.grad = None
    loss.backward(retain_graph=keep)
    norms = [torch.linalg.vector_norm(p.grad) for p in parameters if p.grad is not None]
    for p, old in zip(parameters, before, strict=True):
        if old is not None:
            p.grad = old if p.grad is None else p.grad.add_(old)
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else loss.new_zeros(())


def average(parameters: Sequence[Tensor]) -> None:
    """Replace gradients by their mean over all processes of a torchrun job (data parallelism); outside one, nothing.

    A parameter without a gradient counts as zero where another process has one."""
    if processes() == 1:
        return
    has = torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device)
    flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    joined = torch.cat([has, *(g.flatten().float() for g in flat)])
    distributed.all_reduce(joined)
    counts, *sums = joined.split([len(has), *(p.numel() for p in parameters)])
    for p, count, total in zip(parameters, counts.tolist(), sums, strict=True):
        p.grad = (total / processes()).view_as(p).to(p) if count else None


def clipped(parameters: Sequence[Tensor], largest: float | None) -> Float[Tensor, ""]:
    """The total gradient norm; gradients are scaled down if it exceeds ``largest`` (None: never)."""
    if largest is not None:
        return nn.utils.clip_grad_norm_(parameters, largest)
    norms = [torch.linalg.vector_norm(p.grad) for p in parameters if p.grad is not None]
    return torch.linalg.vector_norm(torch.stack(norms))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Each group's learning rate: ``lr`` times the group's ``lr_scale``."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]


def check_finite(norm: Float[Tensor, ""], step: int, t: Tensor, camera: Camera) -> None:
    """Raise NonFinite with the details needed to find the cause. On a GPU, checked (and waited for) every 16th step."""
    if norm.device.type != "cpu" and step % 16:
        return
    if not torch.isfinite(norm):
        angles = torch.rad2deg(torch.stack((camera.azimuth, camera.elevation), dim=1)).round().tolist()
        raise NonFinite(
            f"the gradient is not finite at step {step}: t {t.tolist()}, (azimuth, elevation) {angles}; "
            "lower optimizer.lr or distill.loss.scale, or raise the smallest t (distill.time)"
        )
