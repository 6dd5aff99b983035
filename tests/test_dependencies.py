"""The ranges of pyproject.toml, the exact set of constraints.txt and what is installed agree."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
CONSTRAINTS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"
)
PINNED = {name.lower().replace("_", "-"): Version(version) for name, version in CONSTRAINTS.items()}


def declared() -> list[Requirement]:
    """The dependencies that pyproject.toml names, those of the extras ``dev`` and ``mini`` included."""
    text = (ROOT / "pyproject.toml").read_text()
    lists = re.findall(r"^(?:dependencies|dev|mini) = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
    return [Requirement(name) for part in lists for name in re.findall(r'"([^"]+)"', part)]


REQUIREMENTS = declared()


def test_every_dependency_is_read() -> None:
    assert {"torch", "peft", "numpy", "pytest", "pyright"} <= {r.name for r in REQUIREMENTS}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda r: r.name)
def test_a_range_is_bounded_and_holds_what_was_tested(requirement: Requirement) -> None:
    operators = {specifier.operator for specifier in requirement.specifier}
    assert {">=", "<"} <= operators, f"{requirement}: give a tested upper bound"
    assert PINNED[requirement.name] in requirement.specifier


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda r: r.name)
def test_what_is_installed_is_in_range(requirement: Requirement) -> None:
    assert Version(metadata.version(requirement.name)) in requirement.specifier


def test_the_wheel_has_every_package() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    listed = set(re.findall(r'"(dream3d[\w.]*)"', text.split("packages = [")[1].split("]")[0]))
    folders = {file.parent.relative_to(ROOT) for file in (ROOT / "dream3d").rglob("__init__.py")}
    assert listed == {".".join(folder.parts) for folder in folders} | {"dream3d.conf"}
