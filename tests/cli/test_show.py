import json
import re
import shutil

import pytest
from small_run import rebuild, without_pictures

from dream3d.cli import export as exporting
from dream3d.cli import show
from dream3d.cli.main import command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    here = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        assert command(rebuild(here, "steps=3", "seed=7", f"out={here / 'run'}")) == 0
    return here / "run"


def test_a_finished_run(run, capsys):
    assert show.command([str(run)]) == 0
    said = capsys.readouterr().out
    assert f'{run}: "a box", seed 7' in said
    settings = re.search(r"^settings +(.*)$", said, re.MULTILINE)
    assert settings is not None and {"steps=3", "size=32", "refine.steps=0"} <= set(settings[1].split("  "))
    assert "prior._target_=dream3d.priors.renders.load" in settings[1] and "prior.path" not in settings[1]
    row = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"coarse     3 steps; loss {row['loss']:.4g}" in said
    assert re.search(r"^time +load .*coarse .* in all$", said, re.MULTILINE)
    assert re.search(r"^  mesh\.glb +[\d.]+ kB$", said, re.MULTILINE) and "export run=" in said


def test_a_run_under_way(run, capsys, tmp_path):
    (tmp_path / "config.yaml").write_text((run / "config.yaml").read_text())
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "loss": 0.5, "bad": null}\n{"step": 1, "lo')
    assert show.command([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "finished   no" in said and "coarse     1 steps; loss 0.5\n" in said and f"resume={tmp_path}" in said


def test_no_run(capsys, tmp_path):
    assert show.command([str(tmp_path)]) == 2
    assert re.fullmatch(r"dream3d: error: show: got '.*', expected a run folder.*\n", capsys.readouterr().err)
    assert show.command([]) == 2


def test_a_file_that_is_not_the_runs_is_named(run, capsys, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    assert show.command([str(copy)]) == 0 and "SHA-256" not in capsys.readouterr().out
    with (copy / "mesh.glb").open("r+b") as file:
        file.seek(500)
        file.write(b"x")
    assert show.command([str(copy)]) == 0
    assert "warning    mesh.glb is not as it was written (its SHA-256 differs)" in capsys.readouterr().out
    assert exporting.command([f"run={copy}", "faces=100"]) == 0  # another mesh, on purpose
    assert show.command([str(copy)]) == 0 and "SHA-256" not in capsys.readouterr().out


@pytest.mark.parametrize(("name", "code"), [("run.json", 0), ("config.yaml", 2)])
def test_damaged_files_are_one_line(run, capsys, tmp_path, name, code):
    copy = shutil.copytree(run, tmp_path / "copy")
    for data in (b"{", b"\xff\x00", b"[1, 2]"):
        (copy / name).write_bytes(data)
        assert show.command([str(copy)]) == code
        out, err = capsys.readouterr()
        assert "run.json is damaged" in out if code == 0 else err.count("\n") == 1 and "expected a run's conf" in err
