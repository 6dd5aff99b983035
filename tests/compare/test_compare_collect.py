import csv
import importlib.util
import json

import pytest

from dream3d.cli.overrides import composed
from dream3d.cli.show import last_row
from dream3d.compare.collect import collect
from dream3d.errors import UserError


@pytest.fixture
def runs(tmp_path):
    """A finished and measured run, one that was killed while writing a line, and one that failed."""
    from omegaconf import OmegaConf

    for name, words in (("a", ["seed=1"]), ("b", ["seed=2", "distill.loss.scale=9"]), ("c/deep", ["seed=3"])):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        OmegaConf.save(composed(["prompt=a corgi", "steps=7", *words]), folder / "config.yaml", resolve=True)
        (folder / "metrics.jsonl").write_text('{"step": 3, "loss": 0.5}\n{"step": 4, "loss": 0.25, "alpha": 0.1}\n{"st')
    (tmp_path / "a/run.json").write_text(json.dumps({"stages": {"coarse": 3.0, "mesh": 1.5}, "peak_memory": 100.0}))
    (tmp_path / "a/measures.json").write_text(json.dumps({"fog": 0.125, "iou": {"missing": "no reference"}}))
    (tmp_path / "c/deep/failed.json").write_text('"no CUDA"')
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.yaml").write_text("of: something else\n")
    return tmp_path


def test_one_line_a_run_whatever_its_state(runs):
    file, count = collect([str(runs)], runs / "table")
    assert (file, count) == (runs / "table" / "runs.csv", 3)
    lines = list(csv.DictReader(file.open()))
    assert [line["state"] for line in lines] == ["finished", "stopped", "failed"]
    assert [line["seed"] for line in lines] == ["1", "2", "3"] and lines[2]["reason"] == "no CUDA"
    assert lines[0]["seconds"] == "4.5" and lines[0]["fog"] == "0.125" and "iou" not in lines[0]
    assert lines[1]["seconds"] == "" and lines[1]["fog"] == ""
    assert {line["step"] for line in lines} == {"4"} and lines[0]["loss"] == "0.25"


def test_settings_that_differ_have_columns_and_no_others(runs):
    collect([str(runs / "a"), str(runs / "b")], runs / "two.csv")
    lines = list(csv.DictReader((runs / "two.csv").open()))
    assert lines[1]["distill.loss.scale"] == "9"
    assert not any(name.startswith("field") for name in lines[0])


def test_half_a_line_is_skipped(runs):
    assert last_row(runs / "a" / "metrics.jsonl")["step"] == 4
    assert last_row(runs / "nothing") == {}


def test_nothing_to_collect_is_said(tmp_path):
    with pytest.raises(UserError, match="which has no runs"):
        collect([str(tmp_path)], tmp_path / "runs.csv")


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_needs_pyarrow(runs):
    with pytest.raises(UserError, match="pip install pyarrow"):
        collect([str(runs)], runs / "runs.parquet")
