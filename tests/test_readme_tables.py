"""The tables that scripts/readme_tables.py writes: those of this checkout are current, and a new choice is missed."""

import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts/readme_tables.py"))
MAIN = SCRIPT["main"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the tables are made from, and of the pages."""
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text())
    (tmp_path / "docs").mkdir()
    for page in [*(ROOT / "docs").glob("*.md"), ROOT / "docs/bench.json"]:
        shutil.copy(page, tmp_path / "docs")
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    for room in ("distill", "fields", "noise"):
        shutil.copytree(ROOT / "dream3d" / room, tmp_path / "dream3d" / room, ignore=shutil.ignore_patterns("*.pyc"))
    return tmp_path


def test_this_checkouts_tables_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert MAIN(["--check"]) == 0, capsys.readouterr().err


def test_a_toy_loss_that_the_readme_lacks_is_missed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout / "dream3d/distill/toy.py").write_text(
        'def toy(prior, x, t, noise, text, *, scale):\n    """Toy distillation, arXiv 1234.56789."""\n'
    )
    loss = "loss: {_target_: dream3d.distill.toy.toy, _partial_: true, scale: 1.0}\n"
    (checkout / "conf/distill/toy.yaml").write_text(f"# A loss | to play with.\n{loss}")
    before = (checkout / "README.md").read_text()
    assert MAIN(["--check"], checkout) == 1
    assert capsys.readouterr().err.startswith("README.md: tables differ")
    assert (checkout / "README.md").read_text() == before
    assert MAIN([], checkout) == 0
    row = (
        "| [`toy`](conf/distill/toy.yaml) | A loss \\| to play with | [1234.56789](https://arxiv.org/abs/1234.56789) "
        "| [toy.py](dream3d/distill/toy.py) | – |\n"
    )
    after = (checkout / "README.md").read_text()
    assert after.replace(row, "") == before and row in after
    assert MAIN(["--check"], checkout) == 0


@pytest.mark.parametrize("group", ["field", "prior", "experiment"])
def test_other_groups_are_compared_too(group: str, checkout: Path) -> None:
    (checkout / f"conf/{group}/toy.yaml").write_text("# A toy.\nsize: 1\n")
    assert MAIN(["--check"], checkout) == 1


def test_a_changed_comment_and_a_removed_row_are_noticed(checkout: Path) -> None:
    readme = checkout / "README.md"
    text = readme.read_text()
    readme.write_text("".join(line for line in text.splitlines(keepends=True) if "conf/distill/vsd.yaml" not in line))
    assert MAIN(["--check"], checkout) == 1
    readme.write_text(text)
    yaml = checkout / "conf/distill/vsd.yaml"
    yaml.write_text("# Something else.\n" + yaml.read_text())
    assert MAIN(["--check"], checkout) == 1


def test_every_group_with_a_choice_has_its_table() -> None:
    shown = {group for page in SCRIPT["pages"](ROOT) for _, group in SCRIPT["MARKER"].findall(page.read_text())}
    groups = {f.parent.name for f in (ROOT / "conf").glob("*/*.yaml")}
    choices = {group for group in groups if len(list((ROOT / "conf" / group).glob("*.yaml"))) > 1}
    assert choices - shown == {"base", "benchmark"}  # included by others; settings of dream3d.compare


@pytest.mark.parametrize(
    "comment, cell",
    [
        ("Score distillation sampling (DreamFusion, arXiv 2209.14988).", "Score distillation sampling (DreamFusion)"),
        ("MVDream (arXiv 2308.16512, Sec. 4.2), for any prior", "MVDream (Sec. 4.2), for any prior"),
        ("SDI's shading (arXiv 2405.15891 and its code): albedo", "SDI's shading (its code): albedo"),
        ("threestudio's ranges, after arXiv 2305.16213: closer", "threestudio's ranges: closer"),
        ("No paper.", "No paper"),
    ],
)
def test_a_cell_leaves_the_papers_to_their_column(comment: str, cell: str) -> None:
    assert SCRIPT["without_papers"](comment) == cell


def test_the_yaml_is_asked_for_papers_before_the_docstring() -> None:
    assert SCRIPT["papers"]("(arXiv 1111.11111, arXiv 1111.11111)", "arXiv 2222.22222") == ["1111.11111"]
    assert SCRIPT["papers"]("", "arXiv 2222.22222, Eq. 3") == ["2222.22222"]
