"""All runs under some folders in one table, finished or not: ``collect=outputs out=runs.csv``."""

import csv
import importlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dream3d.cli.show import last_row
from dream3d.compare.values import Missing, from_json
from dream3d.errors import UserError
from dream3d.report.files import replacing
from dream3d.run.config import Tree
from dream3d.run.saved import saved_settings

Line = dict[str, str | float | int | None]
FIRST = ("folder", "state", "reason", "prompt", "seed", "step", "steps", "seconds", "peak_memory", "commit")
LOGGED = ("loss", "grad_norm", "alpha")


def collect(places: Sequence[str], out: Path) -> tuple[Path, int]:
    """Write one line per run: its progress, its measurements, and the settings in which the runs differ.

    ``out`` ends in .csv or .parquet (needs pyarrow), or is a folder, for ``runs.csv``. Returns the file and the
    number of runs. Missing values are empty.

    Raises:
        UserError: no runs found, or pyarrow is missing.
    """
    roots = [Path(place).expanduser() for place in places]
    folders = sorted(
        {file.parent for root in roots for file in root.rglob("config.yaml") if file.parent.name != "conf"}
    )
    lines, trees = [], []
    for folder in folders:
        try:
            tree = flat(json.loads(json.dumps(plain_settings(folder), default=str)))
        except UserError:
            continue  # not the yaml of a run
        trees.append(tree)
        lines.append(line_of(folder, tree))
    if not lines:
        raise UserError(
            f"collect: got {', '.join(places)}, which has no runs; give folders of runs, e.g. collect=outputs"
        )
    for line, tree in zip(lines, trees, strict=True):
        line.update({key: tree.get(key) for key in differing(trees) if key not in FIRST})
    file = out if out.suffix in (".csv", ".parquet") else out / "runs.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    write(lines, file)
    return file, len(lines)


def plain_settings(folder: Path) -> Tree:
    """The settings of a run without paths."""
    from dream3d.compare.grid import resolved

    return resolved(saved_settings(folder, "collect"))


def line_of(folder: Path, tree: Tree) -> Line:
    """What is known of one run."""
    facts, logged = read(folder / "run.json", {}), last_row(folder / "metrics.jsonl")
    failed = read(folder / "failed.json", None)
    state = "failed" if failed else "finished" if facts else "stopped"
    line: Line = dict.fromkeys(FIRST)
    line |= {"folder": str(folder), "state": state, "reason": failed, "prompt": tree.get("prompt")}
    line |= {"seed": tree.get("seed"), "steps": tree.get("steps"), "step": logged.get("step")}
    if facts:
        line |= {"seconds": sum(facts.get("stages", {}).values()), "commit": facts.get("commit")}
        line |= {"peak_memory": facts.get("peak_gpu_memory") or facts.get("peak_memory")}
    line |= {name: logged.get(name) for name in LOGGED}
    measured = from_json(read(folder / "measures.json", {}))
    return line | {name: v for name, v in measured.items() if not isinstance(v, Missing) and name not in line}


def read(file: Path, otherwise: Tree | None) -> Any:
    """A JSON file; ``otherwise`` if it is missing or truncated."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return otherwise


def flat(tree: Mapping[str, object], before: str = "") -> Tree:
    """Dotted keys.

    >>> flat({"a": {"b": 1, "c": [2]}, "d": None})
    {'a.b': 1, 'a.c': '[2]', 'd': None}
    """
    found: Tree = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = str(value) if isinstance(value, list) else value
    return found


def differing(trees: Sequence[Tree]) -> list[str]:
    """Keys whose values differ between runs."""
    keys = dict.fromkeys(key for tree in trees for key in tree)
    return [key for key in keys if len({str(tree.get(key)) for tree in trees}) > 1]


def write(lines: Sequence[Line], file: Path) -> None:
    """CSV or Parquet. Raises UserError for Parquet without pyarrow."""
    names = list(dict.fromkeys(name for line in lines for name in line))
    if file.suffix == ".parquet":
        try:
            arrow, parquet = (importlib.import_module(name) for name in ("pyarrow", "pyarrow.parquet"))
        except ImportError as error:
            raise UserError(
                "collect: a .parquet file needs pyarrow; pip install pyarrow, or use out=runs.csv"
            ) from error
        parquet.write_table(arrow.table({name: [line.get(name) for line in lines] for name in names}), str(file))
        return
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in line.items()} for line in lines)
    with replacing(file) as partial:
        partial.write_text(out.getvalue(), encoding="utf-8")
