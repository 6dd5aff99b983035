"""``image=`` through the command line: reference.png, errors in one line, a prompt that is missing."""

import json

import pytest
from pictures import on_noise, rgba, saved
from PIL import Image as Pillow
from small_run import rebuild, without_pictures

from dream3d.cli.main import command
from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.run.build import build


def test_a_run_with_a_picture(tmp_path, monkeypatch, capsys):
    without_pictures(monkeypatch)
    picture, _ = on_noise()
    words = rebuild(tmp_path, "steps=2", f"image={saved(picture, tmp_path, 'a.png')}", f"out={tmp_path / 'out'}")
    assert command(words) == 0
    assert "the background was removed by its colours" in capsys.readouterr().out.replace("\n", " ")
    assert Pillow.open(tmp_path / "out/reference.png").mode == "RGBA"
    lines = [json.loads(line) for line in (tmp_path / "out/metrics.jsonl").read_text().splitlines()]
    assert {"image_rgb", "image_mask", "image_grad_norm", "distill_grad_norm"} <= lines[0].keys()
    assert command([f"resume={tmp_path / 'out'}", "steps=3"]) == 0


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
