"""scripts/bench_scaling.py: memory is that of the job alone, and the quick run writes both files."""

import json
import os
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "scripts/bench_scaling.py"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="measures in forked processes")


def test_a_job_is_charged_with_its_own_memory() -> None:
    script = runpy.run_path(str(SCRIPT))
    small, large = (script["measure"](lambda n=n: torch.ones(n, 2**18), 2, n) for n in (1, 64))  # MiB
    assert large.size == 64 and 56 <= large.memory - small.memory < 80
    assert 0 <= small.seconds and 0 < large.seconds


def test_a_job_that_dies_is_not_a_figure() -> None:
    def job() -> None:
        raise MemoryError

    with pytest.raises(SystemExit, match="ended early"):
        runpy.run_path(str(SCRIPT))["measure"](job, 1, 1)


def test_the_quick_run_writes_figures_and_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    try:
        runpy.run_path(str(SCRIPT))["main"](
            ["--quick", "--out", str(tmp_path / "s.json"), "--picture", str(tmp_path / "s.svg")]
        )
    finally:
        torch.set_num_threads(threads)
    found = json.loads((tmp_path / "s.json").read_text())
    assert set(found) == {"image", "samples", "faces", "glb", "prompts"}
    assert [point["size"] for point in found["faces"]] == [320, 1280]  # an icosphere's faces
    assert all(point["seconds"] >= 0 and point["memory"] >= 0 for points in found.values() for point in points)
    lines = ElementTree.parse(tmp_path / "s.svg").getroot().findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 10 and all(len(line.attrib["points"].split()) == 2 for line in lines)
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_the_figures_kept_are_of_a_full_run() -> None:
    kept = json.loads((SCRIPT.parents[1] / "docs/scaling.json").read_text())
    assert [point["size"] for point in kept["image"]] == [64, 128, 256, 512]
    assert kept["prompts"][-1]["size"] == 100 and kept["faces"][-1]["size"] > 10**6
