"""The whole of ``make_prior.py`` is run, tiny, by test_readme.py; here is what it does without the network."""

import sys

import pytest

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from make_prior import main
from small_run import box_file

from dream3d.priors.mini.words import Shape, concepts_of, shapes_of


def test_shapes_alone(tmp_path, monkeypatch, capsys):
    (tmp_path / "models").mkdir()
    box_file(tmp_path).rename(tmp_path / "models/box.ply")
    monkeypatch.setattr("points.points_of.__defaults__", (500, 48, 0))
    prior = tmp_path / "prior"
    words = ["make_prior.py", str(tmp_path / "models"), str(prior), "--minutes", "0", "--decoder-steps", "1",
             "--fit-steps", "1", "--workers", "1"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", words)
    main()
    assert concepts_of(prior) == {"box": []} and shapes_of(prior) == {"box": Shape("box.ply", True)}
    assert "train_network.py" in capsys.readouterr().out.splitlines()[-1]
