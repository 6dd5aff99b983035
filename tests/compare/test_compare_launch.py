"""Cells through Hydra's launchers."""

import importlib.util

import pytest
from cheap import ball, few_pictures, run, words  # noqa: F401

from dream3d.compare.grid import cells
from dream3d.compare.launch import as_json, installed, read_plan
from dream3d.compare.settings import read
from dream3d.compare.work import done


def test_a_plan_survives_the_file(tmp_path):
    request = read(words(tmp_path / "ball.ply", tmp_path, "distill=[sds,csd]", "optimizer.clip=.inf"))
    planned = cells(request)
    (tmp_path / "plan.json").write_text(as_json(planned, request.settings))
    assert read_plan(tmp_path / "plan.json") == (planned, request.settings)


def test_hydras_own_launcher_runs_the_workers(tmp_path, few_pictures, capsys):  # noqa: F811
    told = words(ball(tmp_path), tmp_path / "out", "distill=[sds,csd]", "steps=2", "hydra/launcher=basic")
    run(told)
    assert all(done(cell) for cell in cells(read(told)))
    assert capsys.readouterr().out.count("[1/1]") == 2  # a worker for each
    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins") is None or not installed("hydra_joblib_launcher"),
    reason="hydra-joblib-launcher is not installed (pip install dream3d[launchers])",
)
def test_joblib_runs_two_cells(tmp_path):
    told = words(ball(tmp_path), tmp_path / "out", "distill=[sds,csd]", "steps=2", "hydra/launcher=joblib",
                 "hydra.launcher.n_jobs=2")  # fmt: skip
    run(told)
    assert all(done(cell) for cell in cells(read(told)))


def test_a_missing_plugin_is_found_missing():
    assert not installed("hydra_no_such_launcher")
