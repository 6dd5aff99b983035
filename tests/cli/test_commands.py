"""Help, the version, commands before settings, and what the shell completes."""

import re

import pytest
from small_run import process

from dream3d import __version__
from dream3d.cli.commands import COMMANDS, command_of
from dream3d.cli.main import answered


@pytest.mark.parametrize(
    "words, says",
    [
        (["--help"], r"^dream3d: text to textured 3D.*common settings"),
        (["prompt=a", "-h"], r"^dream3d: text to textured 3D"),
        (["--version"], rf"^dream3d {re.escape(__version__)}\n$"),
        (["list", "fields"], r"triplane  .*EG3D"),
        (["compare", "--help"], r"distill=\[sds,sjc,vsd,csd\].*\nseeds: \[0\]  "),
        (["compare"], r"python -m dream3d compare: several runs"),
        (["export", "--help"], r"\n    faces=20000"),
        (["priors", "--help"], r"the priors available on this machine"),
    ],
)
def test_help_and_commands(words, says, capsys):
    assert answered(words) == 0
    captured = capsys.readouterr()
    assert re.search(says, captured.out, re.DOTALL) and captured.err == ""


def test_every_command_exists_and_explains_itself(capsys):
    for name in COMMANDS:
        assert command_of(name)(["--help"]) == 0
        assert f"dream3d {name}" in capsys.readouterr().out


def test_the_shell_completes_settings(monkeypatch, tmp_path):
    line = "dream3d distill=s"
    query = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_WORDS": line}
    for key, value in query.items():
        monkeypatch.setenv(key, value)
    out, _ = process("-m dream3d", ["-sc", "query=bash"], cwd=tmp_path).communicate(timeout=60)
    assert out.split() == ["distill=sdi", "distill=sds", "distill=sjc", "distill=ssd_edit"]
    out, err = process("-m dream3d", ["-sc", "install=bash"], cwd=tmp_path).communicate(timeout=60)
    assert "hydra_bash_completion" in out and err == ""
