import dataclasses
import json
import subprocess
from importlib import metadata

import numpy as np

from dream3d.report import manifest


def test_manifest_is_whole_and_reads_back(tmp_path):
    made = manifest.collect(
        init=None,
        prompt="a corgi",
        seed=3,
        device="cpu",
        stages={"field": 1.23456},
        accelerators={"compositing": "torch"},
        warnings=["dim"],
        files={"mesh.glb": "ab"},
    )
    manifest.write(made, tmp_path / "run.json")
    content = json.loads((tmp_path / "run.json").read_text())
    assert content == dataclasses.asdict(made)
    assert content["stages"] == {"field": 1.235} and content["seed"] == 3 and content["warnings"] == ["dim"]
    assert content["versions"]["torch"] == metadata.version("torch")
    assert content["cores"] >= 1 and content["cpu"] and content["gpu"] is None


def test_peak_memory_is_in_mebibytes():
    held = np.ones(2**23)  # 64 MiB
    peak = manifest.peak_memory()
    assert peak is not None and held.nbytes / 2**20 < peak < 64 * 2**10


def test_missing_packages_are_left_out():
    assert manifest.versions(["no-such-package-of-ours"]) == {}


def test_no_commit_without_a_repository_of_its_own(tmp_path):
    assert manifest.commit(tmp_path) is None


def test_no_commit_from_a_damaged_repository_or_without_git(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    assert manifest.commit(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert manifest.commit(tmp_path) is None


def test_commit_is_the_one_git_names(tmp_path):
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", tmp_path, *identity, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    git("tag", "v1")
    assert manifest.commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "a").write_text("2")
    assert manifest.commit(tmp_path) == git("rev-parse", "HEAD") + "-dirty"
