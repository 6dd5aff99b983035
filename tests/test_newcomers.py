"""What someone new to the code adds: a loss, a field or a prior is one file and one yaml, nothing else is edited."""

import re
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

BLOCKS = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", (CONF.parent / "docs/extending.md").read_text(), re.S)
FILES = dict(BLOCKS)
"""The examples of docs/extending.md, by the file name in their first line."""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of conf/, and a folder for new modules."""
    shutil.copytree(CONF, tmp_path / "conf")
    monkeypatch.setattr(configuration, "folder", lambda: tmp_path / "conf")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "choice, module", [("distill=half", "half_loss"), ("field=ball", "ball_field"), ("prior=plain", "plain_prior")]
)
def test_one_file_and_one_yaml(checkout: Path, choice: str, module: str) -> None:
    group, name = choice.split("=")
    (checkout / f"{module}.py").write_text(FILES[f"{module}.py"])
    (checkout / f"conf/{group}/{name}.yaml").write_text(f"# {name}\n" + FILES[f"conf/{group}/{name}.yaml"])
    torch.manual_seed(0)
    prior = [] if group == "prior" else ["prior=folder", f"prior.path={tiny.saved(tiny.mini(), checkout / 'prior')}"]
    config = composed([choice, *prior, "prompt=a red corgi"])
    assert module in str(config[group])
    assert sound(two_steps(config))


def test_a_schedule_of_ones_own_is_read_at_every_step(checkout: Path) -> None:
    (checkout / "half_loss.py").write_text(FILES["half_loss.py"])
    (checkout / "conf/distill/half.yaml").write_text(FILES["conf/distill/half.yaml"])
    words = ["distill=half", "prompt=a corgi"]
    loss = instantiate(composed(words).distill.loss)
    assert [scheduled(loss, step).keywords["fraction"] for step in (0, 2)] == [1 / 2, 1 / 4]
    assert instantiate(composed([*words, "distill.loss.fraction=0.25"]).distill.loss.fraction)(7) == 0.25


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
