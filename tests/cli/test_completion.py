"""Completion of settings as shells do it: in each that is installed, what a user types before the Tab key."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60


@pytest.fixture
def environment(tmp_path):
    """One whose ``dream3d`` is this tree's."""
    script = tmp_path / "dream3d"
    script.write_text(f"#!{sys.executable}\nfrom dream3d.__main__ import main\n\nmain()\n")
    script.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TERM": "dumb", "HOME": str(tmp_path)}


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def said(words: list[str], environment: dict[str, str]) -> list[str]:
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout.split()


@needs("bash")
def test_bash(environment):
    script = """eval "$(dream3d -sc install=bash)"
    for COMP_LINE in "dream3d distill=sd" "dream3d prompt=x mesh.nor"; do
      COMP_POINT=${#COMP_LINE}; COMP_WORDS=($COMP_LINE); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
      hydra_bash_completion; echo "${COMPREPLY[@]}"; done"""
    assert said(["bash", "-c", script], environment) == ["distill=sdi", "distill=sds", "mesh.normal_map="]


@needs("fish")
def test_fish(environment):
    script = 'dream3d -sc install=fish | source; complete -C "dream3d distill=sd"'
    assert said(["fish", "-c", script], environment) == ["distill=sdi", "distill=sds"]


@needs("zsh")
def test_zsh(environment):
    """Only an interactive zsh completes: it gets a terminal, and keys."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)

    def until(end: bytes) -> None:
        seen, late = b"", time.monotonic() + PATIENCE
        while end not in seen and time.monotonic() < late:
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536)
        assert end in seen

    try:
        os.write(terminal, b"autoload -Uz compinit bashcompinit && compinit -u && bashcompinit\n")
        os.write(terminal, b'eval "$(dream3d -sc install=bash)"; echo go$((1 + 1))\n')
        until(b"go2")
        os.write(terminal, b"dream3d mesh.nor\t")
        until(b"dream3d mesh.normal_map=")
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
