"""Two steps of the presets that start from a picture, on tiny models, with its depth file."""

import numpy as np
import pytest
import tiny
import torch
from pictures import rgba, saved
from short_runs import shrunk, sound
from test_zero123 import folder_of

from dream3d.cli.overrides import composed
from dream3d.optimize import optimize
from dream3d.run.build import build


@pytest.mark.parametrize("experiment", ["neurallift", "realfusion", "magic123"])
def test_two_steps(experiment, tmp_path):
    torch.manual_seed(0)
    sd = tiny.saved(tiny.sd(), tmp_path / "sd")
    np.save(tmp_path / "depth.npy", np.random.default_rng(0).random((64, 64)))
    words = [f"experiment={experiment}", f"prior.path={sd}", "prompt=a corgi", f"image.depth={tmp_path / 'depth.npy'}",
             f"image={saved(rgba(), tmp_path, 'a.png')}", "image.word_steps=2", "image.every=1"]  # fmt: skip
    if experiment == "magic123":
        words.append(f"guidance.zero123.prior.path={folder_of(tmp_path / 'zero123')}")
    setup = build(shrunk(composed(words)))
    steps = list(optimize(setup, 0, 2))
    assert sound(steps)
    expected = {"image_rgb", "image_mask"} | ({"zero123_grad_norm"} if experiment == "magic123" else {"image_depth"})
    assert expected - ({"image_depth"} if experiment == "realfusion" else set()) <= steps[0].losses.keys()


def test_the_embedding_learns_the_picture(tmp_path):
    torch.manual_seed(0)
    sd = tiny.saved(tiny.sd(), tmp_path / "sd")
    words = ["prior=folder", f"prior.path={sd}", "prompt=a corgi", f"image={saved(rgba(), tmp_path, 'a.png')}"]
    plain = build(shrunk(composed(words)))
    taught = build(shrunk(composed([*words, "image.word_steps=3"])))
    assert not torch.equal(plain.text.texts, taught.text.texts) and torch.equal(plain.text.null, taught.text.null)
