"""scripts/bench.py runs and writes what docs/bench.json promises."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"
TIMING = {"median", "low", "high", "mean", "rounds"}
RATIO = {"of means", "median", "low", "high"}
LOSSES = {f.stem for f in (ROOT / "conf/distill").glob("*.yaml")}
SECTIONS = {"schema", "finished", "commit", "machine", "versions", "quick", "words", "trained steps", "step",
            "renderer", "methods", "counts", "imports", "command", "gpu"}  # fmt: skip


def check_schema(result: dict[str, Any], losses: set[str] = LOSSES) -> None:
    assert set(result) | {"counts"} == SECTIONS and result["schema"] == 1
    assert set(result["machine"]) == {"cpu", "cores", "threads", "gpu", "platform", "python"}
    assert result["versions"]["torch"]
    assert TIMING <= set(result["step"]["prior"]) and TIMING <= set(result["step"]["step"])
    assert set(result["step"]["ratio"]) == RATIO == set(result["renderer"]["speed"])
    assert set(result["methods"]) == losses
    assert all(set(row["over sds"]) == RATIO for row in result["methods"].values())
    assert result["methods"]["sds"]["over sds"]["of means"] == 1
    assert all(set(found) == {"operators", "launches", "waits"} for found in result.get("counts", {}).values())
    assert set(result["imports"]) == {"python", "command line", "everything"}
    assert "skipped" in result["command"] or result["command"]["seconds"] > 0
    assert "skipped" in result["gpu"] or set(result["gpu"]["step"]["ratio"]) == RATIO
    times = [result["step"]["prior"], result["step"]["step"], *result["methods"].values()]
    assert all(0 < t["low"] <= t["median"] <= t["high"] for t in times)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    return runpy.run_path(str(SCRIPTS / "bench.py"))


def test_a_quick_run_keeps_the_schema(script: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    torch.manual_seed(0)
    prior = tiny.saved(tiny.mini(), tmp_path / "prior")
    small = ["steps=4", "size=16", "render.samples=8", "render.occupancy=4", "field.resolutions=[8]"]
    words = ["prior=folder", f"prior.path={prior}", "device=cpu", *small]
    script["main"](["--quick", "--out", str(tmp_path / "bench.json"), "--set", *words])
    check_schema(json.loads((tmp_path / "bench.json").read_text()))
    said = capsys.readouterr().out
    assert "skipped: the whole command" in said and "step / prior forward" in said


def test_the_published_figures_keep_the_schema() -> None:
    file = ROOT / "docs/bench.json"
    if not file.exists():
        pytest.skip("no docs/bench.json yet: python scripts/bench.py --full")
    result = json.loads(file.read_text())
    check_schema(result, LOSSES & set(result["methods"]))  # a loss may be newer than the last full bench
    assert len(result["methods"]) >= 10 and not result["quick"]


def test_jobs_take_turns_and_the_warm_up_is_not_counted(script: dict[str, Any]) -> None:
    timer = runpy.run_path(str(SCRIPTS / "bench_timer.py"))
    order: list[tuple[str, int]] = []
    jobs = {name: lambda i, name=name: order.append((name, i)) for name in "ab"}
    times = timer["interleaved"](jobs, 2, warmup=1)
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert {name: len(t) for name, t in times.items()} == {"a": 2, "b": 2}
    assert timer["ratio"]([2.0, 6.0], [1.0, 2.0])["of means"] == pytest.approx(8 / 3)
    assert timer["ratio"]([2.0, 6.0], [1.0, 2.0])["median"] == pytest.approx(2.5)
    assert timer["timing"]([1.0, 2.0, 3.0]).median == 2.0


def test_a_step_launches_few_operators_and_waits_for_the_device_once(script: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    prior = tiny.saved(tiny.mini(), tmp_path / "prior")
    found = runpy.run_path(str(SCRIPTS / "bench_counts.py"))["counts"](
        ["prompt=a corgi", "prior=folder", f"prior.path={prior}", "device=cpu", "size=16"]
    )
    for name, most, launches in (("default", 800, 700), ("VSD on a hash grid", 1000, 2000)):
        assert found[name]["waits"]["rest"] == 1
        assert 0 < found[name]["operators"]["rest"] <= most
        assert found[name]["operators"]["network"] > found[name]["launches"]["network"] > 100
        assert sum(found[name]["launches"].values()) <= launches


def test_dense_voxels_absorb_as_beer_lambert_says(script: dict[str, Any]) -> None:
    """raw 0 is density ln 2 everywhere: alpha along the diameter is 1 - exp(-2 ln 2)."""
    from dream3d.cameras import turntable

    dense = runpy.run_path(str(SCRIPTS / "bench_renderer.py"))["DenseVoxels"](50)
    pixels = dense(turntable(1, 0.0, 3.0, 0.02, 4))
    expected = 1 - 2.0**-2
    torch.testing.assert_close(pixels[:, 3], torch.full((16,), expected), atol=0.01, rtol=0)
    torch.testing.assert_close(pixels[:, :3], torch.full((16, 3), expected / 2), atol=0.01, rtol=0)


def test_the_gpu_bench_runs_with_a_small_model_on_the_cpu(script: dict[str, Any]) -> None:
    bench = runpy.run_path(str(SCRIPTS / "bench_gpu.py"))
    small = ["render.samples=8", "render.occupancy=4", "field.log2_size=8", "field.levels=2", "batch_size=1"]
    size = bench["Size"](width=40, groups=8, latents=8, renders=(16,))
    found = bench["figures"]("cpu", rounds=1, train=1, size=size, words=small)
    assert list(found["runs"]) == ["dreamfusion 16", "prolificdreamer 16"]
    for run in found["runs"].values():
        assert set(run) == {"unet", "encode", "step", "ratio", "peak MiB"} and set(run["ratio"]) == RATIO
        assert run["ratio"]["of means"] == pytest.approx(
            run["step"]["mean"] / (run["unet"]["mean"] + run["encode"]["mean"])
        )
    assert found["step"] == found["runs"]["dreamfusion 16"]
    assert "skipped" in found["compositing"] and "skipped" in found["hash grid"]


def test_the_gpu_bench_has_stable_diffusions_shape(script: dict[str, Any]) -> None:
    size = runpy.run_path(str(SCRIPTS / "bench_gpu.py"))["FULL"]
    assert (size.width, size.groups, size.latents, size.renders) == (320, 32, 64, (64, 512))
