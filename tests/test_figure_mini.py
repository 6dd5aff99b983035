import runpy
import sys
from pathlib import Path

from PIL import Image

from dream3d.mesh.export import export
from dream3d.metrics.gallery import typical

SCRIPT = Path(__file__).parents[1] / "scripts/figure_mini.py"


def test_two_rows_of_eight_views(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("prompt: a mug\n")
    export(typical("mug"), tmp_path, ["glb"])
    monkeypatch.setattr(sys, "argv", ["f", str(tmp_path), "--out", str(tmp_path / "sheet.png"), "--size", "24"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size == (8 * 24, 2 * 24) and min(sheet.convert("L").getdata()) < 250
