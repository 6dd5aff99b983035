"""The help page says what is so: every setting in it exists, every command, every choice."""

import re

import pytest

from dream3d.cli.commands import COMMANDS
from dream3d.cli.overrides import composed
from dream3d.cli.usage import PAGE, members, usage


def test_it_is_a_page() -> None:
    lines = usage().splitlines()
    assert 30 <= len(lines) <= 60 and max(map(len, lines)) <= 110
    assert "{" not in usage()


def test_ten_settings_with_their_defaults() -> None:
    settings = re.findall(r"^  (\w+)=  +", usage(), re.MULTILINE)
    assert len(settings) == 10
    config = composed(["prompt=x"])
    for name in settings:
        if name not in ("experiment", "mesh"):  # a group without a member; also mesh_file
            assert name in config
    assert re.search(rf"seed= .*\({config.seed}\)", usage()) and re.search(rf"steps= .*\({config.steps}\)", usage())


@pytest.mark.parametrize("group", ["distill", "field", "prior", "refine", "experiment"])
def test_every_choice_is_named(group: str) -> None:
    words = set(re.findall(r"\w+", usage()))
    assert set(members(group)) <= words


def test_every_command_is_on_it() -> None:
    shown = set(re.findall(r"^  (\w+) ", PAGE.split("commands")[1].split("\nmore\n")[0], re.MULTILINE))
    assert shown == set(COMMANDS)


def test_the_examples_compose() -> None:
    examples = PAGE.split("examples")[1].split("commands")[0].strip().splitlines()
    for line in examples:
        words = [w.replace('"', "") for w in re.findall(r'\S+="[^"]*"|\S+=\S+', line)]
        config = composed([w for w in words if not w.startswith("mesh=")])
        assert config.prompt or config.prompts_file
