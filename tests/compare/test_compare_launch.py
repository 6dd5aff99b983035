"""Cells through several processes and Hydra's launchers."""

import importlib.util
import os

import pytest
from cheap import ball, few_pictures, run, words  # noqa: F401

from dream3d.compare.grid import cells
from dream3d.compare.launch import installed
from dream3d.compare.settings import read
from dream3d.compare.work import done


def test_hydras_own_launcher_runs_the_workers(tmp_path, few_pictures, capsys):  # noqa: F811
    told = words(ball(tmp_path), tmp_path / "out", "distill=[sds,csd]", "steps=2", "hydra/launcher=basic")
    run(told)
    assert all(done(cell) for cell in cells(read(told)))
    said = capsys.readouterr().out
    assert "shard 0/2: [1/2] sds" in said and "shard 1/2: [1/2] csd" in said
    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.parametrize(("launcher", "processes"), [("joblib", "n_jobs"), ("ray", "ray.init.num_cpus")])
def test_a_launcher_of_others_runs_two_cells(tmp_path, launcher, processes):
    plugin = f"hydra_{launcher}_launcher"
    if importlib.util.find_spec("hydra_plugins") is None or not installed(plugin):
        pytest.skip(f"{plugin.replace('_', '-')} is not installed (pip install dream3d[launchers])")
    told = words(ball(tmp_path), tmp_path / "out", "distill=[sds,csd]", "steps=2",
                 f"hydra/launcher={launcher}", f"hydra.launcher.{processes}=2")  # fmt: skip
    run(told)
    assert all(done(cell) for cell in cells(read(told)))


def test_own_processes_share_the_cells(tmp_path, capfd):
    told = words(ball(tmp_path), tmp_path / "out", "distill=[sds,csd]", "steps=2", "workers=2", "turntable=0")
    run(told)
    assert all(done(cell) for cell in cells(read(told)))
    said = capfd.readouterr().out
    assert "estimate: 2 runs shared by 2 workers" in said and "0 of 2 runs were tried before" in said
    assert "shard 0/2: [1/2] sds" in said and "shard 1/2: [1/2] csd" in said
    run(told)
    assert "2 of 2 runs were tried before, 0 remain" in capfd.readouterr().out


def test_a_worker_that_dies_is_named_and_the_report_is_written(tmp_path, capfd, monkeypatch):
    """A worker that cannot even import torch, as after an update that broke it."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "diffusers.py").write_text("import os; os._exit(9)")
    monkeypatch.setenv("PYTHONPATH", f"{broken}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    told = words(ball(tmp_path), tmp_path / "out", "distill=[sds,csd]", "workers=2", "turntable=0")
    run(told)
    assert "worker 1, 2 died; rerun the same command" in capfd.readouterr().out
    assert "not finished" in (tmp_path / "out" / "report.json").read_text()


def test_shards_without_a_launcher(tmp_path, few_pictures, capsys):  # noqa: F811
    """Two jobs of a scheduler, one after the other: the last one writes the report."""
    told = words(ball(tmp_path), tmp_path / "out", "distill=[sds,csd]", "steps=2")
    run([*told, "shard=0/2"])
    first, second = cells(read(told))
    assert done(first) and not done(second)
    assert "1 runs are left to other shards" in capsys.readouterr().out
    assert not (tmp_path / "out" / "index.html").exists()
    run([*told, "shard=1/2"])
    assert done(second) and (tmp_path / "out" / "index.html").is_file()


def test_an_estimate_alone_runs_nothing(tmp_path, few_pictures, capsys):  # noqa: F811
    told = words(ball(tmp_path), tmp_path / "out", "distill=[sds,csd]", "estimate_only=true")
    run(told)
    said = capsys.readouterr().out
    assert "estimate: 2 runs" in said and "in all (a step: csd" in said
    assert not any(done(cell) for cell in cells(read(told))) and "report:" not in said


def test_a_missing_plugin_is_found_missing():
    assert not installed("hydra_no_such_launcher")
