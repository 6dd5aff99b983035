"""What someone new to the code adds: a loss, a field or a prior is one file and one yaml, nothing else is edited."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from hydra.utils import instantiate
from short_runs import shrunk, sound, two_steps

from dream3d.cli.overrides import composed
from dream3d.distill.sds import sds
from dream3d.distill.weight import uniform
from dream3d.optimize import optimize, scheduled
from dream3d.priors.gaussian import Gaussian
from dream3d.run import config as configuration
from dream3d.run.build import build

CONF = Path(__file__).parents[1] / "conf"

LOSS = '''
"""Half of SDS, for the test."""

from dream3d.distill.guidance import guided
from dream3d.diffusion import q_sample
from dream3d.distill.surrogate import distilled
from dream3d.schedule import Schedule


class Halved(Schedule):
    """1 / 2 at first, then 1 / 3, ..."""

    def __call__(self, step):
        return 1 / (2 + step)


def half(prior, x, t, noise, text, *, scale, share=0.5):
    x_t = q_sample(x, t, noise, prior.alpha_bar)
    return distilled(x, share * (guided(prior.eps(x_t, t, text), scale) - noise))
'''
LOSS_YAML = """
# Half of SDS.
loss:
  _target_: half_loss.half
  _partial_: true
  scale: 3.0
  share: {_target_: half_loss.Halved}
time: {_target_: dream3d.distill.timesteps.UniformTimesteps, min: 0.1, max: 0.9, per_batch: false}
noise_samples: 1
student: null
"""
FIELD = '''
"""A soft ball of one colour, for the test."""

import torch
from torch import nn

from dream3d.types import Surface


class Ball(nn.Module):
    def __init__(self, *, generator, radius=0.5):
        super().__init__()
        self.radius = nn.Parameter(torch.tensor(float(radius)))
        self.colour = nn.Parameter(torch.rand(3, generator=generator))

    def density(self, x):
        return 20 * torch.sigmoid(20 * (self.radius - x.norm(dim=-1))) * (x.square().sum(-1) <= 1)

    def surface(self, x):
        return Surface(self.density(x), torch.sigmoid(self.colour).expand(len(x), 3))
'''
FIELD_YAML = """
# A ball.
_target_: ball_field.Ball
_partial_: true
radius: 0.6
"""
PRIOR = '''
"""Knows one picture, the same from everywhere: grey, or red if the prompt says so. For the test."""

import torch

from dream3d.diffusion import alpha_sigma
from dream3d.types import NoisePrediction


class Plain:
    def __init__(self, *, resolution=16):
        self.alpha_bar, self.resolution = torch.linspace(0.999, 0.01, 100), resolution

    def embed(self, prompts):
        return torch.tensor([[1.0, 0.0, 0.0] if "red" in prompt else [0.5, 0.5, 0.5] for prompt in prompts])

    def encode(self, image, background, generator):
        return image.over(background).permute(0, 3, 1, 2)

    def eps(self, x_t, t, text):
        alpha, sigma = alpha_sigma(self.alpha_bar, t, x_t)
        cond, null = ((x_t - alpha * c[:, :, None, None]) / sigma for c in (text.cond, text.null))
        return NoisePrediction(cond, null)
'''
PRIOR_YAML = """
# One plain picture.
_target_: plain_prior.Plain
resolution: 16
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of conf/, and a folder for new modules."""
    shutil.copytree(CONF, tmp_path / "conf")
    monkeypatch.setattr(configuration, "folder", lambda: tmp_path / "conf")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "choice, module, code, yaml",
    [
        ("distill=half", "half_loss", LOSS, LOSS_YAML),
        ("field=ball", "ball_field", FIELD, FIELD_YAML),
        ("prior=plain", "plain_prior", PRIOR, PRIOR_YAML),
    ],
    ids=["loss", "field", "prior"],
)
def test_one_file_and_one_yaml(checkout: Path, choice: str, module: str, code: str, yaml: str) -> None:
    group, name = choice.split("=")
    (checkout / f"{module}.py").write_text(code)
    (checkout / f"conf/{group}/{name}.yaml").write_text(yaml.lstrip())
    torch.manual_seed(0)
    prior = [] if group == "prior" else ["prior=folder", f"prior.path={tiny.saved(tiny.mini(), checkout / 'prior')}"]
    config = composed([choice, *prior, "prompt=a red corgi"])
    assert module in str(config[group])
    assert sound(two_steps(config))


def test_a_schedule_of_ones_own_is_read_at_every_step(checkout: Path) -> None:
    (checkout / "half_loss.py").write_text(LOSS)
    (checkout / "conf/distill/half.yaml").write_text(LOSS_YAML.lstrip())
    words = ["distill=half", "prompt=a corgi"]
    loss = instantiate(composed(words).distill.loss)
    assert [scheduled(loss, step).keywords["share"] for step in (0, 2)] == [1 / 2, 1 / 4]
    assert instantiate(composed([*words, "distill.loss.share=0.25"]).distill.loss.share)(7) == 0.25


def test_an_optional_method_is_used_where_it_is(checkout: Path) -> None:
    """A field's own rates; a prior that is told the camera, warns, and looks at the render."""

    class Sighted(Gaussian):
        camera_conditioned, notes = True, ["a note"]

        def warnings(self, prompt, texts):
            return [f"{prompt}: {len(texts)} text"]

        def condition(self, render, camera):
            return render.image.alpha.permute(0, 3, 1, 2).expand(-1, 3, -1, -1)

    prior = Sighted({text: torch.zeros(3, 16, 16) for text in ("a corgi", "")}, std=1.0)
    seen = []

    def loss(prior, x, t, noise, text):
        seen.append(text.control)
        return sds(prior, x, t, noise, text, scale=1.0, weight=uniform)

    setup = replace(build(shrunk(composed(["prompt=a corgi"])), lambda *_: prior), loss=loss)
    assert (setup.warnings, setup.notes[0]) == (["a corgi: 1 text"], "a note")
    assert [g["name"] for g in setup.optimizers[0].param_groups] == ["planes", "decoder"]
    assert sound(list(optimize(setup, 0, 2))) and seen[0].shape == (2, 3, 16, 16)
