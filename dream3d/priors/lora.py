"""VSD's student: the frozen prior's own network with a low-rank adapter and a camera embedding.

ProlificDreamer, arXiv 2305.16213. The frozen weights are shared in memory: adapter and camera are
enabled only for the student's calls, so the prior's own predictions stay the same, bit for bit.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from dream3d import diffusion
from dream3d.gradients import average
from dream3d.priors import prediction_type
from dream3d.types import Conditioning

TIME_EMBEDDINGS = ("time_embedding", "time_text_embed", "embed_in")
ATTENTION = ("to_q", "to_k", "to_v", "to_out", "to_out.0")


@runtime_checkable
class Network(Protocol):
    """The interface that the student needs of a prior (implemented by ``priors/pipeline.py``).

    ``prediction`` says what ``unet`` predicts: "epsilon", "v_prediction" or another name.
    """

    unet: nn.Module
    alpha_bar: Tensor
    prediction: str

    def predict(self, x_t: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None) -> Tensor:
        """The raw output of ``unet``, with gradient."""
        ...

    def to_eps(self, out: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """A raw output as a noise prediction."""
        ...


class CameraEmbedding(nn.Module):
    """Flattened c2w (16) -> the width of the time embedding; the last layer starts at zero."""

    def __init__(self, width: int, generator: Generator) -> None:
        super().__init__()
        self.hidden, self.out = empty_linear(16, width), empty_linear(width, width)
        nn.init.kaiming_uniform_(self.hidden.weight, a=math.sqrt(5), generator=generator)
        for zero in (self.hidden.bias, self.out.weight, self.out.bias):
            nn.init.zeros_(zero)

    def forward(self, c2w: Float[Tensor, "b 16"]) -> Float[Tensor, "b width"]:
        return self.out(nn.functional.silu(self.hidden(c2w)))


def empty_linear(inputs: int, outputs: int) -> nn.Linear:
    """A Linear yet to be filled (its own initialisation would draw from the global stream)."""
    return cast(nn.Linear, nn.utils.skip_init(nn.Linear, inputs, outputs))


class LoraStudent:
    """Learns the distribution of noised renders while they are being optimised.

    Args:
        prior: its network is adapted in place; its own predictions do not change.
        generator: draws the initial weights.
        rank: of the adapters, on every Linear whose name ends in one of ``targets``.
        lr, warmup: AdamW's learning rate, reached linearly in ``warmup`` updates.
        target: what the loss compares, "epsilon" or "v_prediction" (arXiv 2202.00512).
        camera_dropout: probability of dropping an image's camera (set to zeros).
        updates: optimiser steps per call of ``train``.
        first: whether the loop trains the student on a step's renders before the field's update, as in L2-VSD
            (arXiv 2507.09748), not after it, as in ProlificDreamer.

    Raises ValueError where no layer matches, or for another target.
    """

    def __init__(
        self,
        prior: Network,
        generator: Generator,
        *,
        rank: int = 4,
        targets: Sequence[str] = ATTENTION,
        lr: float = 1e-4,
        warmup: int = 500,
        target: str = "epsilon",
        camera_dropout: float = 0.1,
        updates: int = 1,
        first: bool = False,
    ) -> None:
        if target not in ("epsilon", "v_prediction"):
            raise ValueError(f"student.target: got '{target}', expected epsilon or v_prediction; choose one")
        self.prior, self.target, self.updates, self.first = prior, target, updates, first
        self.lr, self.warmup, self.camera_dropout = lr, warmup, camera_dropout
        self.step = 0
        prior.unet.requires_grad_(False)
        self.adapters = inject(prior.unet, rank, targets, generator)
        self.entry = time_embedding(prior.unet)
        widths = [m.out_features for m in self.entry.modules() if isinstance(m, nn.Linear)]
        self.camera = CameraEmbedding(widths[-1], generator).to(next(prior.unet.parameters()).device)
        self.lora = {k: p for k, p in prior.unet.named_parameters() if ".student." in k}
        trained = [*self.lora.values(), *self.camera.parameters()]
        self.flat = joined(trained)
        self.optimizer = torch.optim.AdamW([self.flat], lr=lr, fused=True)
        self._switch(False)

    @torch.no_grad()
    def eps(self, x_t: Float[Tensor, "b *d"], t: Int[Tensor, " b"], text: Conditioning) -> Float[Tensor, "b *d"]:
        """Noise prediction in one pass, unguided, without gradient."""
        with self._on(camera_of(text, x_t)) as camera:
            out = self.prior.predict(x_t, t, plain(text), camera)
        return self.prior.to_eps(out, x_t, t)

    def train(self, x: Float[Tensor, "b *d"], text: Conditioning, generator: Generator) -> Float[Tensor, ""]:
        """``updates`` steps on ``E ||target_hat - target||^2``, t uniform on all of [0, T); the last loss."""
        b, timesteps = len(x), len(self.prior.alpha_bar)
        loss = x.new_zeros(())
        for _ in range(self.updates):
            t = torch.randint(0, timesteps, (b,), generator=generator).to(x.device, non_blocking=True)
            noise = torch.randn(x.shape, generator=generator).to(x, non_blocking=True)
            kept = (torch.rand(b, 1, generator=generator) >= self.camera_dropout).to(x, non_blocking=True)
            self.optimizer.zero_grad(set_to_none=False)
            with self._on(camera_of(text, x) * kept) as camera:
                loss = self._error(x.detach(), t, noise, plain(text), camera)
                loss.backward()  # here, because parameters of a switched-off adapter get no gradient
            average([self.flat])
            for group in self.optimizer.param_groups:
                group["lr"] = self.lr * min(1.0, (self.step + 1) / max(1, self.warmup))
            self.optimizer.step()
            self.step += 1
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """The trained state: tensors and plain data."""
        return {
            "lora": {k: p.detach() for k, p in self.lora.items()},
            "camera": self.camera.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly. Raises ValueError where the adapters differ (rank or targets)."""
        got, expected = ({k: tuple(p.shape) for k, p in d.items()} for d in (state["lora"], self.lora))
        if got != expected:
            raise ValueError(
                f"student: got a checkpoint with {len(got)} adapter tensors, expected {len(expected)} of the "
                "configured shapes; keep student.rank and student.targets"
            )
        for name, parameter in self.lora.items():
            parameter.copy_(state["lora"][name])
        self.camera.load_state_dict(state["camera"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def _error(self, x: Tensor, t: Tensor, noise: Tensor, text: Tensor, camera: Tensor) -> Tensor:
        x_t = diffusion.q_sample(x, t, noise, self.prior.alpha_bar)
        out = self.prior.predict(x_t, t, text, camera)
        if self.target == "epsilon":
            return (self.prior.to_eps(out, x_t, t) - noise).float().square().mean()
        alpha, sigma = diffusion.alpha_sigma(self.prior.alpha_bar, t, x)
        if self.prior.prediction == "v_prediction":
            return (out - prediction_type.target("v_prediction", x, noise, alpha, sigma)).float().square().mean()
        # v = (eps - sigma x_t) / alpha, so the errors differ by the factor alpha.
        error = (self.prior.to_eps(out, x_t, t) - noise) / alpha.clamp(min=diffusion.FLOOR)
        return error.float().square().mean()

    @contextmanager
    def _on(self, camera: Tensor) -> Iterator[Tensor]:
        """Adapter and camera embedding in place, for as long as one pass takes."""

        def add(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
            return output + self.camera(camera[:, :16].float()).to(output.dtype)

        handle = self.entry.register_forward_hook(add)
        self._switch(True)
        try:
            yield camera
        finally:
            self._switch(False)
            handle.remove()

    def _switch(self, on: bool) -> None:
        for layer in self.adapters:
            cast(Any, layer).enable_adapters(on)


def inject(unet: nn.Module, rank: int, targets: Sequence[str], generator: Generator) -> list[nn.Module]:
    """Adapters named "student" in place: A uniform from the generator, B zero, both in float32."""
    from peft import LoraConfig, inject_adapter_in_model  # takes a second, and only VSD needs it
    from peft.tuners.tuners_utils import BaseTunerLayer

    names = [k for k, m in unet.named_modules() if isinstance(m, nn.Linear) and k.endswith(tuple(targets))]
    if not names:
        raise ValueError(f"student.targets: got {list(targets)}, expected endings of names of Linear layers")
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=names)
    with torch.random.fork_rng(devices=[]):  # peft draws from the global stream; what it draws is replaced
        inject_adapter_in_model(config, unet, adapter_name="student")
    layers: list[nn.Module] = [m for m in unet.modules() if isinstance(m, BaseTunerLayer)]
    for layer in layers:
        a, b = cast(Any, layer).lora_A["student"], cast(Any, layer).lora_B["student"]
        weight = torch.empty(rank, a.in_features)
        nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
        a.weight = nn.Parameter(weight.to(a.weight.device))
        b.weight = nn.Parameter(torch.zeros(b.out_features, rank, device=b.weight.device))
    return layers


def joined(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """One parameter that all of these become parts of, gradients included: an optimiser then takes one step
    for all of them rather than one each. The gradient must be set to 0 in place."""
    flat = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
    flat.grad = torch.zeros_like(flat)
    sizes = [p.numel() for p in parameters]
    for p, value, grad in zip(parameters, flat.detach().split(sizes), flat.grad.split(sizes), strict=True):
        p.data, p.grad = value.view_as(p), grad.view_as(p)
    return flat


def time_embedding(unet: nn.Module) -> nn.Module:
    """The module whose output, one row an image, conditions every block. Raises ValueError if unknown."""
    for name, module in unet.named_children():
        if name in TIME_EMBEDDINGS:
            return module
    raise ValueError(f"student: got a {type(unet).__name__}, expected a network with one of {TIME_EMBEDDINGS}")


def plain(text: Conditioning) -> Tensor:
    """The prompt without view words, if the prior is not conditioned on the camera."""
    return text.cond if text.plain is None else text.plain


def camera_of(text: Conditioning, x: Tensor) -> Tensor:
    """The cameras, or zeros (no camera given)."""
    return x.new_zeros(len(x), 17) if text.camera is None else text.camera.to(x.device)
