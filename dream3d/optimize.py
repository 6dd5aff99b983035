"""The loop: the whole method on one screen.

Every step: random cameras -> render the field -> encode for the prior -> a distillation gradient ->
regularisers -> a check that all is finite -> an optimiser step. Random draws depend on
(seed, step, stream) alone, so a run can stop anywhere and continue bit for bit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from dream3d.cameras import Orbit
from dream3d.seeding import generator
from dream3d.types import Camera, Conditioning, Distilled, Render, Schedule, ScoreModel


@runtime_checkable
class Student(Protocol):
    """The score model that VSD trains along (``priors/lora.py``), after the field's update or ``first``."""

    first: bool

    def train(self, x: Tensor, text: Conditioning, generator: Generator) -> Tensor: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> object: ...


@dataclass(frozen=True)
class Regulariser:
    """A loss on the render and its weight at a step."""

    loss: Callable[[Render], Float[Tensor, ""]]
    weight: Schedule


@dataclass(frozen=True)
class Setup:
    """All that a run is made of. Fields are particles: step i trains field i mod n, with its own renderer,
    background and optimiser."""

    fields: Sequence[Any]  # nn.Modules that are a Field
    renderers: Sequence[Any]
    prior: ScoreModel
    text: Callable[[Camera], Conditioning]
    camera: Orbit
    loss: Callable[..., Distilled]
    time: Callable[..., Tensor]
    noise: Callable[[Tensor, Render, Camera, Generator], Tensor]  # like x, render, camera, generator
    noise_samples: int
    student: Student | None
    backgrounds: Sequence[nn.Module]
    shading: Callable[..., Any]
    regularisers: Mapping[str, Regulariser]
    optimizers: Sequence[torch.optim.Optimizer]
    lr: Schedule
    clip: float | None
    batch_size: int
    size: int
    seed: int
    device: torch.device
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
    condition: Callable[[Render, Camera], Tensor | None] | None = None  # what a ControlNet is shown


@dataclass(frozen=True)
class Step:
    """What happened in one step; tensors are detached and may still be on the device."""

    step: int
    t: Tensor
    loss: Tensor
    grad_norm: Tensor
    alpha: Tensor
    losses: dict[str, Tensor]


class NonFinite(ArithmeticError):
    """A gradient that is not a number, with the step, timesteps and cameras where it arose."""


def optimize(setup: Setup, begin: int, end: int) -> Iterator[Step]:
    """Run the steps [begin, end), yielding each."""
    for step in range(begin, end):
        which = step % len(setup.fields)
        field, renderer, optimizer = setup.fields[which], setup.renderers[which], setup.optimizers[which]
        if hasattr(field, "at_step"):  # coarse to fine
            field.at_step(step)
        draw = partial(generator, setup.seed, step)
        views = setup.camera.sample(setup.batch_size, setup.size, draw("camera"))
        camera = views.to(setup.device)
        renderer.update(field, step, draw("occupancy"))
        normals, shading = setup.shading(step, camera, draw("shading"))
        render = renderer(field, camera, draw("march"), normals=normals, shading=shading)

        background = setup.backgrounds[which](render.rays, draw("background"))
        x = setup.prior.encode(render.image, background).repeat_interleave(setup.noise_samples, dim=0)
        text = setup.text(views) if setup.noise_samples == 1 else setup.text(repeated(views, setup.noise_samples))
        if setup.condition is not None and (shown := setup.condition(render, camera)) is not None:
            text = replace(text, control=shown.repeat_interleave(setup.noise_samples, dim=0))
        t = setup.time(step, len(x), len(setup.prior.alpha_bar), draw("time")).to(setup.device, non_blocking=True)
        noise = setup.noise(x, render, camera, draw("noise"))
        learned = student_turn(setup.student, x, text, draw, first=True)
        distilled = at_step(setup.loss, step)(setup.prior, x, t, noise, text)

        losses = {name: r.weight(step) * r.loss(render) for name, r in setup.regularisers.items() if r.weight(step)}
        total = distilled.loss + sum(losses.values())
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = clipped(parameters(optimizer), setup.clip)
        check_finite(norm, step, t, camera)
        set_lr(optimizer, setup.lr(step))
        optimizer.step()
        losses |= learned or student_turn(setup.student, x, text, draw, first=False)
        alpha = render.image.alpha.detach().mean()
        yield Step(step, t, distilled.loss.detach(), norm, alpha, {k: v.detach() for k, v in losses.items()})


def student_turn(
    student: Student | None, x: Tensor, text: Conditioning, draw: Callable[[str], Generator], *, first: bool
) -> dict[str, Tensor]:
    """Train the student, if there is one and it is its turn: before the field (``first``) or after it."""
    if student is None or student.first != first:
        return {}
    return {"student": student.train(x.detach(), text, draw("student"))}


def at_step(loss: Callable[..., Distilled], step: int) -> Callable[..., Distilled]:
    """A ``functools.partial`` whose Schedule-valued keywords are replaced by their values at the step."""
    keywords = getattr(loss, "keywords", {})
    current = {k: v(step) for k, v in keywords.items() if type(v).__module__ == "dream3d.schedule"}
    return partial(loss, **current) if current else loss


def repeated(camera: Camera, n: int) -> Camera:
    """Each view n times in a row, as ``repeat_interleave`` does with images."""
    index = torch.arange(len(camera)).repeat_interleave(n)
    return camera[index]


def parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def clipped(parameters: Sequence[Tensor], largest: float | None) -> Float[Tensor, ""]:
    """The norm of all gradients together, which are scaled down where it is above ``largest`` (None: never)."""
    if largest is not None:
        return nn.utils.clip_grad_norm_(parameters, largest)
    norms = [torch.linalg.vector_norm(p.grad) for p in parameters if p.grad is not None]
    return torch.linalg.vector_norm(torch.stack(norms))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Each group's learning rate: ``lr`` times the group's ``lr_scale``."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]


def check_finite(norm: Float[Tensor, ""], step: int, t: Tensor, camera: Camera) -> None:
    """Raise NonFinite with what is needed to find the cause. Off the CPU only every 16th step waits for it."""
    if norm.device.type != "cpu" and step % 16:
        return
    if not torch.isfinite(norm):
        angles = torch.rad2deg(torch.stack((camera.azimuth, camera.elevation), dim=1)).round().tolist()
        raise NonFinite(
            f"the gradient is not finite at step {step}: t {t.tolist()}, (azimuth, elevation) {angles}; "
            "lower optimizer.lr or distill.loss.scale, or raise the smallest t (distill.time)"
        )
