import json

import pytest
import torch

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from autodecoder import Sizes
from balls import library, planes, shapes
from pack import make_shapes

from dream3d.priors.mini.latents import load_latents
from dream3d.priors.mini.words import Shape, concepts_of, shapes_of

QUICK = Sizes(resolution=8, channels=2, hidden=16, decoder_steps=2, fit_steps=2, points=64)


def test_a_packed_folder_is_what_the_prior_reads(tmp_path):
    shapes(tmp_path)
    ball = planes()["ball"]
    found = load_latents(tmp_path)
    assert found is not None
    step = ball.abs().amax(dim=(0, 2, 3)) / 63
    assert bool(((found.latent("ball") - ball).abs() <= 0.51 * step[:, None, None]).all())
    assert shapes_of(tmp_path) == {"ball": Shape("ball", True), "box": Shape("cube", False)}
    assert concepts_of(tmp_path) == {"ball": ["globe"], "box": []}


def test_from_models_to_files_and_again(tmp_path, monkeypatch):
    monkeypatch.setattr("points.FINE", 48)
    monkeypatch.setattr("points.points_of.__defaults__", (500, 48, 0))
    make_shapes(library(), tmp_path / "prior", tmp_path / "work", QUICK, 1, torch.device("cpu"))
    found = load_latents(tmp_path / "prior")
    assert found is not None and set(json.loads((tmp_path / "prior/shapes.json").read_text())) == {"ball", "box"}
    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "work").rglob("*") if file.is_file()}
    assert len(times) == 2 + 1 + 2  # points and latents of the typical models, the decoder
    make_shapes(library(), tmp_path / "prior", tmp_path / "work", QUICK, 1, torch.device("cpu"))
    assert times == {file: file.stat().st_mtime_ns for file in times}
    again = load_latents(tmp_path / "prior")
    assert again is not None and torch.equal(found.latent("ball"), again.latent("ball"))
