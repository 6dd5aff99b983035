"""The tables of losses, fields, priors and other choices in the README and docs/, from the yamls and docstrings.

    python scripts/readme_tables.py          # write them
    python scripts/readme_tables.py --check  # write nothing; exit code 1 if a table is out of date

A page asks for the table of a group of conf/ by the lines <!-- choices of GROUP: begin --> and <!-- choices of
GROUP: end -->. Each member is a row: the first comment of its yaml, the papers cited there (or else in the docstring
of its class or function), its source file and, for a loss, the time of a step measured by scripts/bench.py.
"""

import argparse
import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from dream3d.cli.listing import about
from dream3d.compare.markdown import filled, rows

ROOT = Path(__file__).parents[1]
ARXIV = re.compile(r"arXiv (\d{4}\.\d{5})")
MARKER = re.compile(r"<!-- (choices of (\w+)): begin -->")
ONE_SOURCE_EACH = {"distill", "field", "noise"}  # in other groups several members share a source file


def pages(root: Path) -> list[Path]:
    """The README and the pages of docs/."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def current(page: Path, root: Path) -> str:
    """The page's text with every table as it should be."""
    text = page.read_text(encoding="utf-8")
    for name, group in MARKER.findall(text):
        text = filled(text, name, table(group, root, page.parent))
    return text


def table(group: str, root: Path, start: Path) -> str:
    """Markdown rows of a group's members; links are relative to the folder ``start``."""
    files = sorted((root / "conf" / group).glob("*.yaml"))
    sources = {file: source(file, root) for file in files}
    times = step_times(root) if group == "distill" else {}
    with_source = group in ONE_SOURCE_EACH
    with_paper = any(papers(about(file), sources[file][1]) for file in files)
    head = [f"`{group}=`", "what it is", *["paper"] * with_paper, *["source"] * with_source]
    lines = [[*head, "step, SDS = 1"] if times else head]
    for file in files:
        place, docstring = sources[file]
        line = [f"[`{file.stem}`]({relative(file, start)})", without_papers(about(file))]
        if with_paper:
            ids = papers(about(file), docstring)
            line.append(", ".join(f"[{i}](https://arxiv.org/abs/{i})" for i in ids) or "–")
        if with_source:
            line.append(f"[{place.name}]({relative(place, start)})" if place else "–")
        lines.append([*line, times.get(file.stem, "–")] if times else line)
    return rows(lines)


def papers(comment: str, docstring: str) -> list[str]:
    """arXiv ids that the comment cites, or else the docstring, each once."""
    return list(dict.fromkeys(ARXIV.findall(comment) or ARXIV.findall(docstring)))


def without_papers(comment: str) -> str:
    """The comment as a cell: without arXiv ids, which have a column, and without its full stop."""
    text = re.sub(r"\(arXiv [\d.]+\d(?:[,;]| and)? ?", "(", comment)
    text = re.sub(r",?(?: after)? ?arXiv [\d.]+\d", "", text)
    return re.sub(r" ?\(\)", "", text).strip().removesuffix(".")


def source(file: Path, root: Path) -> tuple[Path | None, str]:
    """The file that defines a yaml's first ``_target_`` within the package, and that object's docstring."""
    target = next(targets(OmegaConf.to_container(OmegaConf.load(file), resolve=False)), "")
    module, _, name = target.rpartition(".")
    place = root / f"{module.replace('.', '/')}.py"
    if not module or not place.is_file():
        return None, ""
    named = (node for node in ast.parse(place.read_text(encoding="utf-8")).body if getattr(node, "name", "") == name)
    node = next(named, None)
    return place, (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef | ast.ClassDef) else ""


def targets(node: Any) -> Iterator[str]:
    """Every ``_target_`` of a tree of settings, a node's own before those below it."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from targets(value)


def step_times(root: Path) -> dict[str, str]:
    """Loss -> median time of a step over that of SDS, of those that docs/bench.json has."""
    measured = json.loads((root / "docs/bench.json").read_text(encoding="utf-8"))["methods"]
    return {name: f"{figures['over sds']['median']:.1f}" for name, figures in measured.items()}


def relative(file: Path, start: Path) -> str:
    """The link from a page in ``start`` to the file."""
    return Path(os.path.relpath(file, start)).as_posix()


def main(words: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the tables, or compare them. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a table is out of date")
    told = parser.parse_args(words)
    old = [page for page in pages(root) if current(page, root) != page.read_text(encoding="utf-8")]
    for page in old:
        if told.check:
            fix = "run python scripts/readme_tables.py"
            print(f"{page.relative_to(root)}: tables differ from conf/ and docstrings; {fix}", file=sys.stderr)
        else:
            page.write_text(current(page, root), encoding="utf-8")
    return int(told.check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
