"""The oracle of image-to-3D, shortened: with the losses of one image alone, and with the prior beside them."""

import json
import runpy
import sys
from pathlib import Path

from small_run import box_file

SCRIPT = Path(__file__).parents[1] / "scripts/reconstruct_picture.py"
SHORT = [
    "size=32", "prior.resolution=32", "render.samples=24", "render.occupancy=16", "threads=1", "device=cpu",
    "field=voxel", "field.size=24", "batch_size=1", "steps=60",
]  # fmt: skip


def results(monkeypatch, folder: Path, *words: str) -> tuple[dict, dict]:
    out = folder / "out.json"
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(box_file(folder)), "--out", str(out), "--set", *SHORT, *words])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    alone, both = json.loads(out.read_text())
    return alone, both


def test_the_prior_improves_what_the_image_does_not_show(monkeypatch, tmp_path, capsys):
    """18.6 against 12.6 dB where the image shows nothing, 28.6 where it does."""
    alone, both = results(monkeypatch, tmp_path)
    assert (alone["guidance"], both["guidance"]) == ("image alone", "image and SDS")
    assert both["unseen"] > alone["unseen"] + 4, (alone, both)
    assert min(alone["seen"], both["seen"]) > 26, (alone, both)
    assert alone["distill_grad_norm"] == 0 < both["distill_grad_norm"]
    assert "image_grad_norm" in capsys.readouterr().out
