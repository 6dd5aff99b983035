"""The Dockerfile copies what there is, installs what was tested and calls what the package has."""

import re
import shlex
from pathlib import Path

from dream3d.cli.commands import COMMANDS
from dream3d.cli.overrides import composed

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
LINES = TEXT.splitlines()


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {word for line in LINES if line.startswith("COPY") for word in line.split()[1:-1]}
    assert copied == allowed and all((ROOT / word).exists() for word in copied)


def test_the_tested_torch_is_installed() -> None:
    text = "\n".join(LINES)
    pinned = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None and f"torch=={pinned[1]} " in text and "-c /opt/dream3d/constraints.txt" in text


def test_its_commands_are_the_packages() -> None:
    (run,) = (line for line in LINES if "dream3d doctor" in line)
    settings = run.split("&& dream3d ")[1].split(" &&")[0]
    assert "doctor" in COMMANDS and composed(shlex.split(settings)).prompt == "a corgi"
    assert 'ENTRYPOINT ["dream3d"]' in LINES and LINES[-1] == 'CMD ["--help"]'
    assert 'dream3d = "dream3d.__main__:main"' in (ROOT / "pyproject.toml").read_text()


def test_it_is_what_the_readme_and_the_page_say() -> None:
    """The build makes what the README's first command makes, with the same torch; docker's own commands are in docs."""
    first = re.search(r"torch==(\S+) -e \. && python -m (dream3d .*)", (ROOT / "README.md").read_text())
    assert first is not None and f"torch=={first[1]} " in TEXT and f"&& {first[2]} " in TEXT
    page = (ROOT / "docs" / "everyday.md").read_text()
    assert " && ".join(line.removeprefix("#   ") for line in LINES if line.startswith("#   ")) in page
