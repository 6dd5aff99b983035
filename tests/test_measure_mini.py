import json
import runpy
import sys
from pathlib import Path

import pytest

from dream3d.mesh.export import export
from dream3d.metrics.gallery import typical

SCRIPT = Path(__file__).parents[1] / "scripts/measure_mini.py"


@pytest.mark.parametrize(("prompt", "colour"), [("a mug", True), ("a blue mug", False)])
def test_the_typical_model_is_its_own_best_result(tmp_path, monkeypatch, prompt, colour):
    (tmp_path / "config.yaml").write_text(f"prompt: {prompt}\n")
    export(typical("mug"), tmp_path, ["glb"])
    monkeypatch.setattr(sys, "argv", ["measure_mini", str(tmp_path), "--json", str(tmp_path / "figures.json")])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    (row,) = json.loads((tmp_path / "figures.json").read_text())["runs"]
    assert row["f_score"] > 0.99 and row["normals"] > 0.98 and row["iou"] > 0.95 and row["retrieved"]
    assert row["rgb"] > 35 if colour else row["rgb"] is None
