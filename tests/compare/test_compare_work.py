"""Runs of a comparison that are killed, fail, or are there already."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from cheap import ball, few_pictures, run, words  # noqa: F401

from dream3d.compare.grid import cells
from dream3d.compare.settings import read
from dream3d.compare.work import done, failure, saved_step
from dream3d.run import stages

ROOT = Path(__file__).parents[2]
TIMED = ("seconds", "seconds_per_step", "peak_memory")
KILLED = """
    import os, signal, sys
    sys.path[:0] = ["tests", "tests/compare"]
    from cheap import quicken, run
    from dream3d.run import stages
    quicken(setattr)
    real = stages.optimize
    def optimize(setup, begin, end):
        for step in real(setup, begin, end):
            yield step
            if end == 4 and step.step == 2 and "csd" in str(setup.loss):
                os.kill(os.getpid(), signal.SIGKILL)
    stages.optimize = optimize
    run(sys.argv[1:])
"""


def numbers(out):
    report = json.loads((out / "report.json").read_text())
    for row in report["cells"]:
        row["values"] = {k: v for k, v in row["values"].items() if k not in TIMED}
    return report["cells"]


def test_killed_and_run_again_equals_undisturbed(tmp_path, few_pictures, capsys):  # noqa: F811
    mesh = ball(tmp_path)
    told = [words(mesh, tmp_path / name, "distill=[sds,csd]") for name in ("killed", "whole")]
    script = textwrap.dedent(KILLED)
    command, place = [sys.executable, "-c", script, *told[0]], {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, cwd=ROOT, env=place, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    first, second = cells(read(told[0]))
    assert done(first) and not done(second) and saved_step(second) == 2
    stamp = (first.folder / "run.json").stat().st_mtime_ns

    run(told[0])
    assert "sds | a ball | seed 0: already done" in capsys.readouterr().out
    assert (first.folder / "run.json").stat().st_mtime_ns == stamp
    assert json.loads((second.folder / "resumed.json").read_text()) == 2
    run(told[1])
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "whole")
    assert [len((c.folder / "metrics.jsonl").read_text().splitlines()) for c in (first, second)] == [4, 4]


def test_one_failure_does_not_end_the_others(tmp_path, few_pictures, monkeypatch, capsys):  # noqa: F811
    """VSD needs a network to adapt, which the exact prior has not; and any other exception is noted too."""
    told = words(ball(tmp_path), tmp_path / "out", "distill=[vsd,sds]")
    run(told)
    vsd, sds = cells(read(told))
    assert "network to adapt" in (failure(vsd) or "") and done(sds)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["cells"][0]["failed"] == failure(vsd)
    assert "network to adapt" in (tmp_path / "out" / "index.html").read_text()

    run(told)
    assert "failed before" in capsys.readouterr().out
    monkeypatch.setattr(stages, "run", lambda *_: 1 / 0)
    run([*told, "retry=true"])
    assert failure(vsd) == "ZeroDivisionError: division by zero" and done(sds)


def test_runs_that_exist_are_compared_without_being_touched(tmp_path, few_pictures):  # noqa: F811
    told = words(ball(tmp_path), tmp_path / "out", "seeds=[0,1]", "steps=2")
    run(told)
    folders = [c.folder for c in cells(read(told))]
    before = {f: f.stat().st_mtime_ns for folder in folders for f in folder.iterdir()}
    run(
        [
            f"runs=[{','.join(map(str, folders))}]",
            f"out={tmp_path / 'again'}",
            "picture=24",
            "noise_at=[0.5]",
            "noise_samples=2",
        ]
    )
    assert {f: f.stat().st_mtime_ns for folder in folders for f in folder.iterdir()} == before
    first, again = numbers(tmp_path / "out"), numbers(tmp_path / "again")
    assert [row["values"] for row in first] == [row["values"] for row in again]
    assert len({row["variant"] for row in again}) == 1  # they differ in the seed alone
