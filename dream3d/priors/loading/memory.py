"""Estimates the device memory of a run before it starts, and refuses runs that cannot fit.

    weights = sum over parts of (numbers x bytes of the dtype)
    peak    = weights + context + max(images * held + rows * forward,    the guided call, VAE graph alive
                                      images * encode,                   VAE backward pass
                                      images * student)                  VSD's student, forward and back

``images = batch_size * noise_samples`` and ``rows = images * (2, or 4 with Perp-Neg)``. The four figures for one
image are counted, not fitted: the very modules, with the options chosen, run on PyTorch's meta device
(shapes without numbers), and all tensors alive at once are added up. Attention counts as the fused
kernels have it (queries, keys, values and result) unless it is sliced. The field and its rendering, what
an image prompt adds and allocator overhead come on top. Text encoders are counted throughout, although a run
frees them once its prompts are embedded (``prior.text_device=cpu`` keeps them off the device).
"""

import copy
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.fx.experimental._config import patch  # pyright: ignore
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dream3d.errors import UserError
from dream3d.priors.loading.completeness import weight_of
from dream3d.priors.lora import ATTENTION
from dream3d.priors.parts import Component
from dream3d.priors.spaces import Latent, Space

GB = 1e9
CONTEXT = 0.5 * GB  # CUDA's context and libraries
MEMINFO = Path("/proc/meminfo")
ADVICE = (
    "use batch_size=1, prior.text_device=cpu, prior.options.vae_checkpointing=true, a smaller prior.resolution, "
    "a half dtype or a smaller prior; or prior.memory_check=false to try all the same"
)


@dataclass(frozen=True)
class Batch:
    """The load on a prior: images a step, network rows an image, and whether a student is trained."""

    images: int = 1
    rows: int = 2
    student: bool = False


ONE = Batch()


@dataclass(frozen=True)
class Estimate:
    """Bytes: of all weights on the device, and for one image (one row of ``forward``), see above."""

    weights: float
    held: float
    encode: float
    forward: float
    student: float

    def peak(self, batch: Batch, context: float) -> float:
        """The formula above."""
        call = batch.images * (self.held + batch.rows * self.forward)
        return self.weights + context + max(call, batch.images * self.encode, batch.images * self.student)


@runtime_checkable
class Called(Protocol):
    """Of a family (``families.py``) what an estimate needs."""

    @property
    def shape(self) -> tuple[int, int]: ...

    def call(self, network: Component, x: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None) -> Tensor: ...


@runtime_checkable
class SeesTogether(Called, Protocol):
    """A family whose network sees several rows at once (``addons/multiview.py``)."""

    views: int


class Alive(TorchDispatchMode):
    """Counts the bytes of tensors made inside that are alive at once; ``before`` are not counted."""

    def __init__(self, before: set[int]) -> None:
        super().__init__()
        self.before, self.alive, self.now, self.peak = before, set(), 0.0, 0.0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for made in tree_leaves(out):
            if isinstance(made, Tensor) and made.is_meta:
                self._count(made.untyped_storage())
        self.peak = max(self.peak, self.now)
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.before and key not in self.alive:
            self.alive.add(key)
            self.now += size
            weakref.finalize(storage, self._forget, key, size)  # the object lives as long as the storage

    def _forget(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.now -= size


class Fused(torch.autograd.Function):
    """Attention as the fused kernels remember it."""

    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out = q.new_empty((*q.shape[:-1], v.shape[-1]))
        ctx.save_for_backward(q, k, v, out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.empty_like(saved) for saved in ctx.saved_tensors[:3])


@contextmanager
def fused_attention() -> Iterator[None]:
    """Inside, scaled_dot_product_attention is ``Fused``; the meta device would spell it out.

    The function itself is replaced: PyTorch's override modes are off where checkpoints compute again.
    """
    original = nn.functional.scaled_dot_product_attention

    def _fused(query: Tensor, key: Tensor, value: Tensor, *_args: object, **_kwargs: object) -> Any:
        return Fused.apply(query, key, value)

    nn.functional.scaled_dot_product_attention = _fused
    try:
        yield
    finally:
        nn.functional.scaled_dot_product_attention = original


def to_meta(module: Component) -> Component:
    """The same module with parameters and buffers on the meta device."""
    memo: dict[int, Tensor] = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
        for p in module.parameters()
    }
    memo |= {id(b): torch.empty_like(b, device="meta") for b in module.buffers()}
    return copy.deepcopy(module, memo)


def counted(call: Callable[[], Tensor], backward: bool, modules: Sequence[Component]) -> tuple[float, float]:
    """(bytes alive after ``call``, their peak, including the backward pass if ``backward``)."""
    before = {
        tensor.untyped_storage()._cdata for module in modules for tensor in (*module.parameters(), *module.buffers())
    }
    with torch.set_grad_enabled(backward), fused_attention(), Alive(before) as alive:
        out = call()
        held = alive.now
        if backward:
            out.backward(torch.empty_like(out))
    return held, alive.peak


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor on the meta device: a shape without memory."""
    return torch.empty(shape, dtype=dtype, device="meta")


@patch(meta_nonzero_assume_all_nonzero=True)  # indexing by a mask counts as taking all
def estimate(
    network: Component, family: Called, space: Space, resident: Sequence[Component], dtype: torch.dtype, batch: Batch
) -> Estimate:
    """The figures of a loaded prior, whose ``resident`` parts go to the device.

    Nothing is computed and next to nothing allocated.
    """
    unet, held, encode, student = to_meta(network), 0.0, 0.0, 0.0
    pixels = space.size
    if isinstance(space, Latent):
        hollow = replace(space, vae=to_meta(space.vae))
        image = meta(1, 3, pixels, pixels, dtype=space.vae.dtype).requires_grad_()
        held, encode = counted(lambda: hollow.moments(image)[0], True, [hollow.vae])
        pixels //= space.factor
    rows = family.views if isinstance(family, SeesTogether) else 1
    x, t, camera = meta(rows, space.channels, pixels, pixels, dtype=dtype), meta(rows), meta(rows, 17)
    embedding = meta(rows, *family.shape, dtype=dtype)

    def call() -> Tensor:
        return family.call(unet, x, t, embedding, camera)

    forward = counted(call, False, [unet])[1] / rows
    if batch.student:  # its adapters sit beside these weights and need the same inputs kept
        for name, module in unet.named_modules():
            if isinstance(module, nn.Linear) and name.endswith(ATTENTION):
                module.weight.requires_grad_()
        student = counted(call, True, [unet])[1] / rows
    weights = sum(p.numel() * p.element_size() for part in resident for p in part.parameters())
    return Estimate(float(weights), held, encode, forward, student)


def readable(size: int | float) -> str:
    """Bytes in human-readable form.

    >>> readable(38e6), readable(5.16e9)
    ('38 MB', '5.2 GB')
    """
    return f"{size / GB:.1f} GB" if size >= GB else f"{size / 1e6:.0f} MB"


def free_memory(device: torch.device) -> float | None:
    """Bytes that are free on the device (of a CPU: available RAM); None if the system does not report it."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type == "cpu" and MEMINFO.is_file():
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
        return float(lines["MemAvailable"].split()[0]) * 1024
    return None


def check_memory(found: Estimate, batch: Batch, device: torch.device, check: bool) -> str:
    """One line with the estimated and the free memory.

    Raises:
        UserError: ``check`` is set and the estimate exceeds the free memory; with advice.
    """
    free = free_memory(device)
    peak = found.peak(batch, CONTEXT if device.type == "cuda" else 0.0)
    loaded = 0.0 if device.type == "cuda" else found.weights  # a CPU's RAM holds the weights by now
    line = (
        f"the prior needs about {readable(peak)} of {device} (weights {readable(found.weights)}) for "
        f"{batch.images} image{'s' * (batch.images > 1)} a step"
    )
    if free is None:
        return line
    if check and peak - loaded > free:
        raise UserError(f"{line}, but {readable(free + loaded)} are free; {ADVICE}")
    return f"{line}; {readable(free + loaded)} are free"


def room_for(folder: Path, check: bool) -> None:
    """Raise UserError where the weights of a folder are more than the RAM that they are read into."""
    size = weight_of(folder)
    free = free_memory(torch.device("cpu"))
    if check and free is not None and size > free:
        raise UserError(
            f"{folder} has {readable(size)} of weights, but {readable(free)} of RAM are free; close "
            "other programs, choose a smaller prior, or use prior.memory_check=false to try all the same"
        )
