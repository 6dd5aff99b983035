"""docs/everyday.md says what there is: its commands are understood, its extras and files exist."""

import re
import shlex
from pathlib import Path

import pytest

from dream3d.cli.commands import COMMANDS
from dream3d.cli.export import parsed
from dream3d.cli.overrides import composed

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "everyday.md").read_text()
LINES = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
RUNS = [
    shlex.split(re.split(r"\s#\s", line)[0])[3:] for line in LINES if line.startswith(("python -m dream3d", "dream3d "))
]


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_commands_are_understood(words):
    if words and words[0] == "export":
        assert "run" in parsed(words[1:])
    elif words and words[0] in COMMANDS:
        assert len(words) == 2
    elif words and "=" in words[0] and not words[0].startswith("-"):
        settings = composed(words)
        assert settings.prompt or settings.prompts_file


def test_extras_and_files_exist():
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    named = {name for names in re.findall(r'-e "\.\[(.*?)\]"', PAGE) for name in names.split(",")}
    assert named and named <= extras
    files = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert files and [file for file in files if not (ROOT / "docs" / file).exists()] == []
    pictures = [ROOT / "docs" / file for file in files if file.endswith((".png", ".jpg"))]
    assert [file.name for file in pictures if file.stat().st_size > 150_000] == []
