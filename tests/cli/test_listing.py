import re

from dream3d.cli.listing import about, command
from dream3d.run.config import folder


def test_a_list_has_a_line_for_every_member(capsys):
    for kind, group in (("losses", "distill"), ("experiments", "experiment"), ("camera", "camera")):
        assert command([kind]) == 0
        heading, *lines = capsys.readouterr().out.splitlines()
        assert f"{group}=..." in heading
        names = {file.stem for file in (folder() / group).glob("*.yaml")}
        assert {line.split()[0] for line in lines} == names
        assert all(len(line.split()) > 3 for line in lines), "a yaml without a comment that says what it is"


def test_all_lists_are_shown_when_none_is_named(capsys):
    assert command([]) == 0
    said = capsys.readouterr().out
    assert re.findall(r"^(\w+) \(", said, re.MULTILINE) == ["losses", "fields", "priors", "experiments", "concepts"]
    assert "fire hydrant" in " ".join(said.split())


def test_an_unknown_kind_is_one_line(capsys):
    assert command(["loses"]) == 2
    assert re.fullmatch(r"dream3d: error: list: got 'loses'; did you mean losses\?.*\n", capsys.readouterr().err)


def test_the_first_comment_is_the_description(tmp_path):
    (tmp_path / "a.yaml").write_text("# @package _global_\n# What it is.\n# More.\nb: 1\n")
    (tmp_path / "b.yaml").write_text("b: 1\n")
    assert about(tmp_path / "a.yaml") == "What it is." and about(tmp_path / "b.yaml") == ""
