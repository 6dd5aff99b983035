"""The loop: the whole method on one screen.

Every step: random cameras -> render the field -> encode for the prior -> a distillation gradient ->
regularisers -> a check that all is finite -> an optimiser step. Random draws depend on
(seed, step, stream) alone, so a run can stop anywhere and continue bit for bit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from dream3d.cameras import Orbit
from dream3d.contracts import Background, RenderConditioned, Renderer, Student, TrainableField, at_step
from dream3d.schedule import Schedule
from dream3d.seeding import generator
from dream3d.types import Camera, Conditioning, Distilled, Normals, Render, ScoreModel, Shading

Draw = Callable[[str], Generator]
"""The step's random stream of that name."""


@dataclass(frozen=True)
class Regulariser:
    """A loss on the render and its weight at a step."""

    loss: Callable[[Render], Float[Tensor, ""]]
    weight: Schedule


@dataclass(frozen=True)
class Setup:
    """All that a run is made of. Fields are particles: step i trains field i mod n, with its own renderer,
    background and optimiser."""

    fields: Sequence[TrainableField]
    renderers: Sequence[Renderer]
    prior: ScoreModel
    text: Callable[[Camera], Conditioning]
    camera: Orbit
    loss: Callable[[ScoreModel, Tensor, Tensor, Tensor, Conditioning], Distilled]  # prior, x, t, noise, text
    time: Callable[[int, int, int, Generator], Tensor]  # step, batch, T, generator
    noise: Callable[[Tensor, Render, Camera, Generator], Tensor]  # like x, render, camera, generator
    noise_samples: int
    student: Student | None
    backgrounds: Sequence[Background]
    shading: Callable[[int, Camera, Generator], tuple[Normals, Shading | None]]
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
        optimizer, draw = setup.optimizers[which], partial(generator, setup.seed, step)
        at_step(setup.fields[which], step)
        setup.renderers[which].update(setup.fields[which], step, draw("occupancy"))
        views = setup.camera.sample(setup.batch_size, setup.size, draw("camera"))
        camera, render, x, text = render_and_encode(setup, step, views, draw, which, setup.noise_samples)

        t = setup.time(step, len(x), len(setup.prior.alpha_bar), draw("time")).to(setup.device, non_blocking=True)
        noise = setup.noise(x, render, camera, draw("noise"))
        learned = student_turn(setup.student, x, text, draw, first=True)
        distilled = scheduled(setup.loss, step)(setup.prior, x, t, noise, text)

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


def render_and_encode(
    setup: Setup, step: int, views: Camera, draw: Draw, which: int, noise_samples: int
) -> tuple[Camera, Render, Float[Tensor, "b *d"], Conditioning]:
    """Particle ``which`` seen by the cameras ``views`` (on the CPU): the cameras on the run's device; the render;
    x, and what the prior is conditioned on, both with every view ``noise_samples`` times in a row."""
    camera = views.to(setup.device)
    normals, shading = setup.shading(step, camera, draw("shading"))
    renderer = setup.renderers[which]
    render = renderer(setup.fields[which], camera, draw("march"), normals=normals, shading=shading)
    assert render.rays is not None  # both renderers keep them
    background = setup.backgrounds[which](render.rays, draw("background"))
    x = setup.prior.encode(render.image, background, draw("encode")).repeat_interleave(noise_samples, dim=0)
    text = setup.text(views if noise_samples == 1 else repeated(views, noise_samples))
    if isinstance(setup.prior, RenderConditioned) and (shown := setup.prior.condition(render, camera)) is not None:
        text = replace(text, control=shown.repeat_interleave(noise_samples, dim=0))
    return camera, render, x, text


def student_turn(
    student: Student | None, x: Tensor, text: Conditioning, draw: Draw, *, first: bool
) -> dict[str, Tensor]:
    """Train the student, if there is one and it is its turn: before the field (``first``) or after it."""
    if student is None or student.first != first:
        return {}
    return {"student": student.train(x.detach(), text, draw("student"))}


def scheduled(loss: Callable[..., Distilled], step: int) -> Callable[..., Distilled]:
    """A ``functools.partial`` whose Schedules among the keywords are replaced by their values at the step."""
    if not isinstance(loss, partial):
        return loss
    current = {k: v(step) for k, v in loss.keywords.items() if isinstance(v, Schedule)}
    return partial(loss, **current) if current else loss


def repeated(camera: Camera, n: int) -> Camera:
    """Each view n times in a row, as ``repeat_interleave`` does with images."""
    index = torch.arange(len(camera)).repeat_interleave(n)
    return camera[index]


def parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """All parameters that the optimizer updates, group after group."""
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
