"""Several guidances: their gradients add up, each at its own views, size and weight; each has a name in the log."""

import dataclasses

import pytest
import torch
from omegaconf import OmegaConf
from short_runs import shrunk, sound
from small_run import rebuild, tiny_prior

from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.optimize import optimize
from dream3d.run.build import build, restore, state_of
from dream3d.schedule import Constant
from dream3d.types import Distilled


def gradient(setup) -> torch.Tensor:
    """Of the field after one step, which leaves it in the parameters."""
    next(optimize(setup, 0, 1))
    return torch.cat([p.grad.flatten() for p in setup.fields[0].parameters()])


def test_gradients_add_up_with_their_weights(tmp_path):
    """Losses with a known gradient: 1 everywhere, and 2 everywhere at another size."""
    base = rebuild(tmp_path, "regularize=none")
    config = shrunk(composed([*base, "guidance=[{loss: csd, name: second, weight: 0.5, batch_size: 1, size: 24}]"]))
    setup = build(config)
    seen = {}

    def flat(value, name):
        def loss(prior, x, t, noise, text):
            seen[name] = x
            return Distilled(value * x.sum() / len(x), torch.full_like(x, value))

        return loss

    def with_losses(main, second):
        fresh = build(config)
        other = dataclasses.replace(fresh.guidances["second"], loss=flat(second, "second"))
        return dataclasses.replace(fresh, loss=flat(main, "main"), guidances={"second": other})

    both, first, other = (gradient(with_losses(*pair)) for pair in ((1.0, 2.0), (1.0, 0.0), (0.0, 2.0)))
    assert torch.allclose(both, first + other, atol=1e-6) and first.norm() > 0 and other.norm() > 0
    assert len(seen["main"]) == 2 and len(seen["second"]) == 1
    double = with_losses(0.0, 2.0)
    weightier = dataclasses.replace(double.guidances["second"], weight=Constant(1.0))
    assert torch.allclose(gradient(dataclasses.replace(double, guidances={"second": weightier})), 2 * other, atol=1e-6)
    assert setup.guidances["second"].of(setup).size == 24


def test_each_has_its_own_draws_and_its_name_in_the_log(tmp_path):
    config = shrunk(composed([*rebuild(tmp_path), "guidance=[{loss: sds, name: again}]"]))
    setup = build(config)
    seen = []

    def noted(prior, x, t, noise, text):
        seen.append((t, noise, text.camera))
        return Distilled(x.sum() * 0.01, torch.zeros_like(x))

    again = dataclasses.replace(setup.guidances["again"], loss=noted)
    step = next(optimize(dataclasses.replace(setup, loss=noted, guidances={"again": again}), 0, 1))
    assert not torch.equal(seen[0][1], seen[1][1]) and not torch.equal(seen[0][2], seen[1][2])
    assert {"distill_grad_norm", "again_loss", "again_grad_norm"} <= step.losses.keys()


def test_alone_it_is_as_before(tmp_path):
    """With no further guidance the step is the same, bit for bit, and so it is with one of weight 0."""
    config = shrunk(composed(rebuild(tmp_path, "regularize=none")))
    silent = shrunk(composed([*rebuild(tmp_path, "regularize=none"), "guidance=[{loss: sds, weight: 0}]"]))
    assert torch.equal(gradient(build(config)), gradient(build(silent)))


def test_another_prior_with_a_student(tmp_path):
    """The list's short form: members of the groups, the prior's folder; students go into checkpoints."""
    folder = tiny_prior(tmp_path)
    words = [f"guidance=[{{prior: folder, path: {folder}, loss: vsd, scale: 3, weight: 2}}]", "prompt=a corgi"]
    config = shrunk(composed([*rebuild(tmp_path), *words]))
    assert config.guidance.folder.distill.loss.scale == 3 and config.guidance.folder.weight == 2
    setup = build(config)
    steps = list(optimize(setup, 0, 2))
    assert sound(steps) and "folder_student" in steps[0].losses
    state = state_of(setup)
    fresh = build(config)
    restore(fresh, state)
    a, b = (s.guidances["folder"].student.state_dict() for s in (setup, fresh))
    assert state["students"].keys() == {"folder"} and str(a) == str(b)


@pytest.mark.parametrize(
    "word, says",
    [
        ("guidance=[3]", "got 3, expected items like"),
        ("guidance=[{weight: 1}]", "expected items like"),
        ("guidance=[{loss: sds, wait: 1}]", "expected items like"),
        ("guidance=[{loss: sds, path: x}]", "got path=x, expected the prior"),
        ("guidance=[{loss: sdss}]", "got 'sdss'"),
        ("guidance=5", "guidance: got 5, expected settings"),
    ],
)
def test_what_cannot_be_understood_is_one_line(word, says):
    with pytest.raises(UserError, match=says):
        composed(["prompt=a corgi", word])


def test_an_entry_says_something_and_nothing_else(tmp_path):
    for entry, says in (({"weight": 1.0}, "with a prior, a distill"), ({"distill": {}, "x": 1}, "with a prior")):
        config = shrunk(composed(rebuild(tmp_path)))
        config.guidance = OmegaConf.create({"second": entry})
        with pytest.raises(UserError, match=says):
            build(config)
