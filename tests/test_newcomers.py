"""What someone new to the code adds: a loss or a field is one file and one yaml, nothing else is edited."""

import shutil
from pathlib import Path

import pytest
import tiny
import torch
from short_runs import sound, two_steps

from dream3d.cli.overrides import composed
from dream3d.run import config as configuration

CONF = Path(__file__).parents[1] / "conf"

LOSS = '''
"""Half of SDS, for the test."""

from dream3d.distill.guidance import guided
from dream3d.diffusion import q_sample
from dream3d.distill.surrogate import distilled


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
  share: {_target_: dream3d.schedule.Linear, start: 0.5, end: 0.1, finish: 100}
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
    def __init__(self, *, generator, radius=0.5, lr_scale=1.0):
        super().__init__()
        self.radius = nn.Parameter(torch.tensor(float(radius)))
        self.colour = nn.Parameter(torch.rand(3, generator=generator))
        self.lr_scale = lr_scale

    def density(self, x):
        return 20 * torch.sigmoid(20 * (self.radius - x.norm(dim=-1))) * (x.square().sum(-1) <= 1)

    def surface(self, x):
        return Surface(self.density(x), torch.sigmoid(self.colour).expand(len(x), 3))

    def parameter_groups(self):
        return [{"params": list(self.parameters()), "name": "ball", "lr_scale": self.lr_scale}]
'''
FIELD_YAML = """
# A ball.
_target_: ball_field.Ball
_partial_: true
radius: 0.6
lr_scale: 1.0
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
    [("distill=half", "half_loss", LOSS, LOSS_YAML), ("field=ball", "ball_field", FIELD, FIELD_YAML)],
    ids=["loss", "field"],
)
def test_one_file_and_one_yaml(checkout: Path, choice: str, module: str, code: str, yaml: str) -> None:
    group, name = choice.split("=")
    (checkout / f"{module}.py").write_text(code)
    (checkout / f"conf/{group}/{name}.yaml").write_text(yaml.lstrip())
    torch.manual_seed(0)
    prior = tiny.saved(tiny.mini(), checkout / "prior")
    config = composed([choice, "prior=folder", f"prior.path={prior}", "prompt=a corgi"])
    assert module in str(config[group])
    assert sound(two_steps(config))
