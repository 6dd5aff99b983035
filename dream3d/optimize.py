"""The training loop: the whole method on one screen.

Every step: random cameras -> render the field -> encode for the prior -> a distillation gradient ->
regularisers -> a check for finite gradients -> an optimiser step. Random draws depend on
(seed, step, stream) only, so a run can stop anywhere and resume bit for bit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.cameras import Orbit, repeated
from dream3d.contracts import (
    Background,
    Pair,
    ReferenceView,
    RenderConditioned,
    Renderer,
    Student,
    TrainableField,
    at_step,
    sees_source,
)
from dream3d.gradients import average, backward_alone, check_finite, clipped, parameters, set_lr
from dream3d.schedule import Schedule
from dream3d.seeding import own
from dream3d.types import Camera, Conditioning, Distilled, Normals, Render, ScoreModel, Shading

Draw = Callable[[str], Generator]
"""The step's random stream of that name."""


@dataclass(frozen=True)
class Regulariser:
    """A loss on the render and its weight at a step."""

    loss: Callable[[Render], Float[Tensor, ""]]
    weight: Schedule


@dataclass(frozen=True)
class Kept:
    """A loss that preserves part of an edit's source, with a random stream, and its weight at a step."""

    loss: Callable[[Pair, Generator], Float[Tensor, ""]]
    weight: Schedule


@dataclass(frozen=True)
class Source:
    """What an edit starts from, frozen: a field a particle, with its own renderer; what it is in words; what of it
    is to stay. ``compared``: the distillation loss takes its x and its text."""

    fields: Sequence[TrainableField]
    renderers: Sequence[Renderer]
    text: Callable[[Camera], Conditioning]
    keep: Mapping[str, Kept]
    compared: bool


@dataclass(frozen=True)
class Setup:
    """Everything a run consists of. Fields are particles: step i trains field i mod n, with its own renderer,
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
    source: Source | None = None
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
    guidances: Mapping[str, "Guidance"] = field(default_factory=dict)  # besides prior and loss above
    references: Mapping[str, ReferenceView] = field(default_factory=dict)


@dataclass(frozen=True)
class Guidance:
    """An additional guidance term for the same fields: its own prior, text, loss and timesteps, on its own renders.

    ``camera``, ``batch_size`` and ``size`` are the setup's where they are None. The gradient is ``weight``
    times the loss's (surrogates are sums over x, so a larger x weighs more).
    """

    prior: ScoreModel
    text: Callable[[Camera], Conditioning]
    loss: Callable[[ScoreModel, Tensor, Tensor, Tensor, Conditioning], Distilled]
    time: Callable[[int, int, int, Generator], Tensor]
    weight: Schedule
    noise_samples: int = 1
    student: Student | None = None
    camera: Orbit | None = None
    batch_size: int | None = None
    size: int | None = None

    def of(self, setup: Setup) -> Setup:
        """The setup with this guidance term in place of its main one."""
        return replace(
            setup,
            prior=self.prior,
            text=self.text,
            loss=self.loss,
            time=self.time,
            noise_samples=self.noise_samples,
            student=self.student,
            camera=self.camera or setup.camera,
            batch_size=self.batch_size or setup.batch_size,
            size=self.size or setup.size,
            source=None,
        )


@dataclass(frozen=True)
class Guided:
    """What one guidance says of a step: the views, their render, x and t, the distilled gradient, and what of an
    edit's source is kept."""

    camera: Camera
    render: Render
    x: Tensor
    text: Conditioning
    t: Tensor
    distilled: Distilled
    learned: dict[str, Tensor]
    kept: dict[str, Tensor]


@dataclass(frozen=True)
class Step:
    """What happened in one step; tensors are detached and may still be on the device."""

    step: int
    t: Tensor
    loss: Tensor
    grad_norm: Tensor
    alpha: Tensor
    losses: dict[str, Tensor]


def optimize(setup: Setup, begin: int, end: int) -> Iterator[Step]:
    """Run the steps [begin, end), yielding each."""
    for step in range(begin, end):
        which = step % len(setup.fields)
        optimizer, draw = setup.optimizers[which], partial(own, setup.seed, step)
        at_step(setup.fields[which], step)
        setup.renderers[which].update(setup.fields[which], step, draw("occupancy"))
        main = of_guidance(setup, step, draw, which)
        regular = {n: r.weight(step) * r.loss(main.render) for n, r in setup.regularisers.items() if r.weight(step)}
        regular |= main.kept
        optimizer.zero_grad(set_to_none=True)
        if setup.guidances or setup.references:
            losses = backward_each(setup, step, draw, which, main.distilled.loss, regular)
        else:
            (main.distilled.loss + sum(regular.values())).backward()
            losses = {}
        average(parameters(optimizer))
        norm = clipped(parameters(optimizer), setup.clip)
        check_finite(norm, step, main.t, main.camera)
        set_lr(optimizer, setup.lr(step))
        optimizer.step()
        losses |= regular | (main.learned or student_turn(setup.student, main.x, main.text, draw, first=False))
        alpha = main.render.image.alpha.detach().mean()
        loss = main.distilled.loss.detach()
        yield Step(step, main.t, loss, norm, alpha, {k: v.detach() for k, v in losses.items()})


def of_guidance(setup: Setup, step: int, draw: Draw, which: int) -> Guided:
    """Random views of particle ``which``, and the setup's loss on them."""
    views = setup.camera.sample(setup.batch_size, setup.size, draw("camera"))
    camera, render, x, text = render_and_encode(setup, step, views, draw, which, setup.noise_samples)
    t = setup.time(step, len(x), len(setup.prior.alpha_bar), draw("time")).to(setup.device, non_blocking=True)
    noise = setup.noise(x, render, camera, draw("noise"))
    learned = student_turn(setup.student, x, text, draw, first=True)
    loss, kept = scheduled(setup.loss, step), {}
    if setup.source is not None:
        loss, kept, text = beside_source(setup, setup.source, step, views, draw, which, render, loss, text)
    distilled = loss(setup.prior, x, t, noise, text)
    return Guided(camera, render, x, text, t, distilled, learned, kept)


def backward_each(
    setup: Setup, step: int, draw: Draw, which: int, main: Tensor, regular: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Sum the gradients of every guidance and reference view, one after the other: one graph is held at a time.

    Returns their losses and, as ``<name>_grad_norm``, the norm of each one's share (``distill``: the main loss).
    """
    weights = parameters(setup.optimizers[which])
    found = {"distill_grad_norm": backward_alone(main, weights, keep=bool(regular))}
    if regular:
        torch.stack([*regular.values()]).sum().backward()
    for name, guidance in setup.guidances.items():
        if weight := guidance.weight(step):
            own, stream = guidance.of(setup), partial(named, draw, name)
            part = of_guidance(own, step, stream, which)
            found[f"{name}_loss"] = part.distilled.loss
            found[f"{name}_grad_norm"] = backward_alone(weight * part.distilled.loss, weights)
            learned = part.learned or student_turn(own.student, part.x, part.text, stream, first=False)
            found |= {f"{name}_{kind}": value for kind, value in learned.items()}
    for name, view in setup.references.items():
        if (camera := view.camera(step, setup.size)) is not None:
            fields, renderer = setup.fields[which], setup.renderers[which]
            render = renderer(fields, camera.to(setup.device), draw(f"{name} march"), normals=view.normals)
            losses = view.losses(render, step, draw(name))
            found |= {f"{name}_{kind}": value for kind, value in losses.items()}
            found[f"{name}_grad_norm"] = backward_alone(torch.stack([*losses.values()]).sum(), weights)
    return found


def named(draw: Draw, name: str, stream: str) -> Generator:
    """A stream of a further guidance's own."""
    return draw(f"{name} {stream}")


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


def beside_source(
    setup: Setup,
    source: Source,
    step: int,
    views: Camera,
    draw: Draw,
    which: int,
    render: Render,
    loss: Callable,
    text: Conditioning,
) -> tuple[Callable[..., Distilled], dict[str, Tensor], Conditioning]:
    """The frozen source by the same cameras with the same random streams: the loss, told its x and its text where
    it compares; the losses that hold what is to stay; the text with its picture, for priors that are shown it."""
    field = source.fields[which]
    with torch.no_grad():
        source.renderers[which].update(field, step, draw("occupancy"))
        frozen = of_source(setup, source)
        _, before, x, was = render_and_encode(frozen, step, views, draw, which, setup.noise_samples)
    if source.compared:
        loss = partial(loss, x_src=x, text_src=was)
    if sees_source(setup.prior):
        text = replace(text, control=was.control)
    pair = Pair(setup.fields[which], field, render, before)
    weighted = {name: (kept.weight(step), kept.loss) for name, kept in source.keep.items()}
    return loss, {n: weight * hold(pair, draw(n)) for n, (weight, hold) in weighted.items() if weight}, text


def of_source(setup: Setup, source: Source) -> Setup:
    """The setup that would train the source."""
    return replace(setup, fields=source.fields, renderers=source.renderers, text=source.text)


def student_turn(
    student: Student | None, x: Tensor, text: Conditioning, draw: Draw, *, first: bool
) -> dict[str, Tensor]:
    """Train the student, if there is one: before the field (``first``) or after it."""
    if student is None or student.first != first:
        return {}
    return {"student": student.train(x.detach(), text, draw("student"))}


def scheduled(loss: Callable[..., Distilled], step: int) -> Callable[..., Distilled]:
    """A ``functools.partial`` whose Schedules among the keywords are replaced by their values at the step."""
    if not isinstance(loss, partial):
        return loss
    current = {k: v(step) for k, v in loss.keywords.items() if isinstance(v, Schedule)}
    return partial(loss, **current) if current else loss
