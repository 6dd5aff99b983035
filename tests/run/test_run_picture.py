"""``image=`` through the command line: reference.png, errors in one line, a prompt that is missing."""

import json

import pytest
import torch
from pictures import on_noise, rgba, saved
from PIL import Image as Pillow
from scenes import box
from small_run import rebuild, without_pictures

from dream3d.cli.main import command
from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.priors.renders import Renders, diffusers_cosine
from dream3d.reference.target import Target
from dream3d.reference.view import Reference
from dream3d.report.pictures import to_bytes
from dream3d.run.build import build
from dream3d.run.picture import seen_picture
from dream3d.types import Image


def test_a_run_with_a_picture(tmp_path, monkeypatch, capsys):
    without_pictures(monkeypatch)
    picture, _ = on_noise()
    words = rebuild(tmp_path, "steps=2", f"image={saved(picture, tmp_path, 'a.png')}", f"out={tmp_path / 'out'}")
    assert command(words) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert "the background was removed by its colours" in said and "gradient norms (median): distill" in said
    assert json.loads((tmp_path / "out/run.json").read_text())["gradient_norms"].keys() == {"distill", "image"}
    assert Pillow.open(tmp_path / "out/reference.png").mode == "RGBA"
    lines = [json.loads(line) for line in (tmp_path / "out/metrics.jsonl").read_text().splitlines()]
    assert {"image_rgb", "image_mask", "image_grad_norm", "distill_grad_norm"} <= lines[0].keys()
    assert command([f"resume={tmp_path / 'out'}", "steps=3"]) == 0


def test_the_picture_is_placed_where_the_prior_knows_its_object(tmp_path):
    """A picture of the object, moved and of another size, is aligned with the prior's own view of it."""
    prior = Renders([box(0.4), box()], diffusers_cosine(), 32)
    own = prior.views(Reference().camera(200))
    for which, extent in enumerate((0.2, 0.5)):
        alpha = own.alpha[which]
        straight = torch.cat((own.colour[which] / alpha.clamp(min=1e-6), alpha), dim=-1)
        moved = torch.nn.functional.pad(straight, (0, 0, 57, 3, 20, 90))
        file = saved(Pillow.fromarray(to_bytes(moved).numpy()), tmp_path, f"{which}.png")
        config = composed([*rebuild(tmp_path), f"image={file}", "image.fill=0.2"])
        seen = seen_picture(config, prior)
        assert seen is not None
        found = seen.view.target.resized(64).image
        wanted = Target(Image(own.colour[which : which + 1], own.alpha[which : which + 1])).resized(64).image
        assert (found.alpha - wanted.alpha).square().mean() < 1e-3, extent
        assert (found.colour - wanted.colour).square().mean() < 1e-3


def test_without_a_prompt(tmp_path):
    words = [w for w in rebuild(tmp_path) if not w.startswith("prompt=")]
    with pytest.raises(UserError, match="this prior cannot caption the image; use prompt"):
        build(composed([*words, f"image={saved(rgba(), tmp_path, 'a.png')}"]))


@pytest.mark.parametrize("word", ["every=0", "elevation=100", "fov_y=180", "pose=maybe", "fill=0"])
def test_settings_have_their_ranges(word, tmp_path, capsys):
    assert command(["prompt=a box", "image=none.png", f"image.{word}"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and word.split("=")[0] in error


def test_a_missing_picture_is_one_line(tmp_path, capsys):
    assert command(rebuild(tmp_path, "image=none.png")) == 2
    assert "image: got" in capsys.readouterr().err
