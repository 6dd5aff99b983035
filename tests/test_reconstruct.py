"""The end-to-end oracle, shortened: every field rebuilds a coloured box from its pictures' exact score."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from small_run import box_file

SCRIPT = Path(__file__).parents[1] / "scripts/reconstruct.py"
SHORT = [
    "size=32", "prior.resolution=32", "render.samples=32", "render.occupancy=16", "threads=1", "device=cpu",
    "mesh.resolution=48",
]  # fmt: skip
FIELDS = {
    "triplane": ["steps=80", "field.resolutions=[8,32]"],
    "voxel": ["steps=80", "field.size=32"],
    "hashgrid": ["steps=80", "field.levels=4", "field.base=8", "field.finest=64", "field.log2_size=14"],
    "mlp": ["steps=80", "field.frequencies=4", "field.decoder.hidden=48", "field.decoder.layers=2"],
}
AT_LEAST = {"triplane": (0.85, 17.0), "voxel": (0.85, 19.0), "hashgrid": (0.75, 15.0), "mlp": (0.75, 15.0)}
"""IoU and PSNR of 80 small steps, where one step gives less than 0.6 and 12 dB."""


def result(monkeypatch, folder: Path, field: str) -> dict:
    out = folder / "out.json"
    words = [str(box_file(folder)), "--fields", field, "--out", str(out), "--set", *SHORT, *FIELDS[field]]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *words])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    (row,) = json.loads(out.read_text())
    return row


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_rebuilds_the_mesh(monkeypatch, tmp_path, capsys, field):
    row = result(monkeypatch, tmp_path, field)
    assert (row["mesh"], row["field"], row["steps"]) == ("box", field, 80)
    assert row["watertight"]
    iou, psnr = AT_LEAST[field]
    assert row["iou"] > iou and row["psnr"] > psnr, row
    assert row["worst psnr"] <= row["psnr"]
    assert field in capsys.readouterr().out


def test_without_training_the_box_is_not_there(monkeypatch, tmp_path):
    """Otherwise the bounds above would say nothing."""
    monkeypatch.setitem(FIELDS, "triplane", ["steps=1", "field.resolutions=[8,32]"])
    row = result(monkeypatch, tmp_path, "triplane")
    assert row["iou"] < 0.6 and row["psnr"] < 12
