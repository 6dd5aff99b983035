"""The loop's own promises; what it optimises is proven elsewhere."""

import dataclasses
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from short_runs import shrunk
from small_run import rebuild

from dream3d.cameras import Orbit, repeated
from dream3d.cli.overrides import composed
from dream3d.gradients import NonFinite, check_finite, set_lr
from dream3d.optimize import Setup, optimize, scheduled
from dream3d.run.build import build
from dream3d.schedule import Linear
from dream3d.seeding import generator
from dream3d.types import Distilled


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return build(shrunk(composed(rebuild(tmp_path))))


def parameters(field: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in field.parameters()])


def test_steps_are_numbered_and_say_what_happened(setup: Setup) -> None:
    steps = list(optimize(setup, 5, 8))
    assert [s.step for s in steps] == [5, 6, 7]
    assert all(s.t.shape == (2,) and 0 <= float(s.alpha) <= 1 and not s.loss.requires_grad for s in steps)


def test_particles_take_turns(tmp_path: Path) -> None:
    """Step i trains field i mod n and leaves the others as they are."""
    config = shrunk(composed(rebuild(tmp_path)))
    config.particles = 2
    setup = build(config)
    assert not torch.equal(*map(parameters, setup.fields)), "particles start differently"
    before = [parameters(field) for field in setup.fields]
    for step in optimize(setup, 0, 4):
        after = [parameters(field) for field in setup.fields]
        trained, other = step.step % 2, (step.step + 1) % 2
        assert not torch.equal(before[trained], after[trained])
        assert torch.equal(before[other], after[other])
        before = after


def test_several_noises_a_view_are_averaged(setup: Setup) -> None:
    """The prior sees every view ``noise_samples`` times in a row, with the camera of that view each time."""
    seen = {}

    def loss(prior, x, t, noise, text):
        seen.update(x=x, t=t, noise=noise, camera=text.camera)
        return Distilled(x.sum() * 0 + 1, torch.zeros_like(x))

    next(optimize(dataclasses.replace(setup, noise_samples=3, loss=loss), 0, 1))
    assert len(seen["x"]) == len(seen["t"]) == len(seen["noise"]) == len(seen["camera"]) == 6
    assert torch.equal(seen["x"][0], seen["x"][2]) and not torch.equal(seen["x"][0], seen["x"][3])
    assert torch.equal(seen["camera"][3], seen["camera"][5])
    assert not torch.equal(seen["camera"][0], seen["camera"][3])
    assert not torch.equal(seen["noise"][0], seen["noise"][1])


def test_schedules_among_a_losss_knobs_become_numbers() -> None:
    def loss(*, scale, share):
        return scale, share

    bound = partial(loss, scale=Linear(10.0, 0.0, finish=10), share=0.5)
    assert scheduled(bound, 4)() == (6.0, 0.5)
    assert scheduled(loss, 4) is loss


def test_every_group_has_its_share_of_the_rate() -> None:
    a, b = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([{"params": [a], "lr_scale": 1.0}, {"params": [b], "lr_scale": 0.1}])
    set_lr(optimizer, 0.02)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.02, 0.002])


def test_a_gradient_that_is_no_number_names_step_t_and_camera(setup: Setup) -> None:
    def loss(prior, x, t, noise, text):
        return Distilled(x.sum() * math.nan, torch.zeros_like(x))

    before = parameters(setup.fields[0])
    with pytest.raises(NonFinite, match=r"step 3: t \[\d+, \d+\], \(azimuth, elevation\) \[\[.*lower optimizer"):
        list(optimize(dataclasses.replace(setup, loss=loss), 3, 4))
    assert torch.equal(before, parameters(setup.fields[0])), "nothing was changed by it"
    camera = Orbit().sample(2, 8, generator(0, 0, "camera"))
    check_finite(torch.tensor(1e30), 0, torch.tensor([1, 2]), camera)


def test_repeated_cameras_follow_repeat_interleave() -> None:
    camera = Orbit().sample(2, 8, generator(0, 0, "camera"))
    assert torch.equal(repeated(camera, 3).c2w, camera.c2w.repeat_interleave(3, dim=0))


@pytest.mark.parametrize("first", [False, True])
def test_a_student_learns_after_the_field_or_first(setup: Setup, first: bool) -> None:
    """L2-VSD's order: the loss of a step meets a student that has seen the step's renders."""
    order = []

    class Recorder:
        def __init__(self) -> None:
            self.first = first

        def train(self, x, text, generator):
            order.append(("student", x.detach().clone()))
            return x.new_tensor(0.5)

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            return None

    def loss(prior, x, t, noise, text):
        order.append(("loss", x.detach().clone()))
        return Distilled(x.sum() * 0 + 1, torch.zeros_like(x))

    (step,) = optimize(dataclasses.replace(setup, student=Recorder(), loss=loss), 0, 1)
    assert [name for name, _ in order] == (["student", "loss"] if first else ["loss", "student"])
    assert torch.equal(order[0][1], order[1][1])
    assert float(step.losses["student"]) == 0.5


def test_the_loss_gets_the_noise_of_the_chosen_source(setup: Setup) -> None:
    """The source is told x, the render and the cameras of the step, and the step's own random stream."""
    met = {}

    def source(like, render, camera, draws):
        met.update(views=len(camera), alpha=render.image.alpha, first=torch.rand((), generator=draws))
        return torch.full_like(like, 0.25)

    def loss(prior, x, t, noise, text):
        met.update(noise=noise)
        return Distilled(x.sum() * 0 + 1, torch.zeros_like(x))

    next(optimize(dataclasses.replace(setup, noise=source, loss=loss, noise_samples=2), 3, 4))
    assert (met["noise"] == 0.25).all() and len(met["noise"]) == 2 * met["views"] == 2 * len(met["alpha"])
    assert met["first"] == torch.rand((), generator=generator(setup.seed, 3, "noise"))
