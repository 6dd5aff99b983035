"""The pages of docs/: links lead somewhere, tables render, and the experiment log is complete."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
LOG = ROOT / "docs/log"
SMALL = ["steps=1", "batch_size=1", "size=16", "threads=1", "device=cpu", "render.samples=16", "render.occupancy=8",
         "mesh.resolution=16", "mesh.size=64", "mesh.faces=200"]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, _, anchor in re.findall(r"\]\((?!http)([^)#]*)(#([^)]+))?\)", page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_render(page: Path) -> None:
    """A table begins after a blank line (or a marker) and all its rows have as many cells as its head."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        rows = [len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()]
        assert len(rows) >= 3 and set(rows) == {rows[0]}, table[:200]
        assert re.fullmatch(r"[|\s:-]+", table.splitlines()[1]), table[:200]


def test_the_log_has_a_dated_file_a_topic_and_lists_them_all() -> None:
    files = {file.name for file in LOG.iterdir()} - {"README.md"}
    assert [name for name in files if not re.fullmatch(r"20\d\d-\d\d-\d\d-[a-z0-9-]+\.md", name)] == []
    rows = re.findall(r"^\| ([\d-]+) \| \[.*?\]\((.*?)\) \|", (LOG / "README.md").read_text(), re.MULTILINE)
    assert {name for _, name in rows} == files and all(name.startswith(day) for day, name in rows)
    assert rows == sorted(rows, key=lambda row: row[0], reverse=True)


def test_the_python_quickstart_builds_optimises_and_exports_in_20_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/everyday.md").read_text(encoding="utf-8"), re.DOTALL)
    (code,) = (block for block in blocks if "optimize(" in block)
    assert len(code.splitlines()) <= 20 and '"steps=300"' in code
    monkeypatch.chdir(tmp_path)
    exec(code.replace('"steps=300"', ", ".join(f"{word!r}" for word in SMALL)), {})
    assert {"mesh.glb", "mesh.obj"} <= {file.name for file in (tmp_path / "corgi").iterdir()}
