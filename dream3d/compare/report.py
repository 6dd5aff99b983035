"""The report, built from what lies in the cells' folders: index.html, report.json, report.csv."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dream3d.compare import clip, judging
from dream3d.compare.grid import Cell
from dream3d.compare.measure import Values
from dream3d.compare.page import Findings, page
from dream3d.compare.settings import Settings, groups
from dream3d.compare.table import Column, Entry, Row, columns, table
from dream3d.compare.views import read_views
from dream3d.compare.work import done, failure, write_json
from dream3d.metrics import judge as judges
from dream3d.metrics.judge import Judge
from dream3d.report.files import replacing
from dream3d.types import Image


def write_report(cells: Sequence[Cell], settings: Settings, words: Sequence[str]) -> Path:
    """Write the three files from what there is. Returns index.html."""
    folder = Path(settings.out).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {cell: read_views(f) for cell in cells if done(cell) and (f := cell.measures / "views.png").is_file()}
    rows = gathered(cells, settings, pictures)
    shown = columns(settings.noise_at)
    entries = table(rows, shown)
    write_json(content(rows, entries, shown, words) | made(cells, settings), folder / "report.json")
    with replacing(folder / "report.csv") as partial:
        partial.write_text(as_csv(rows, shown), encoding="utf-8")
    with replacing(folder / "index.html") as partial:
        found = Findings(cells, rows, pictures, entries, shown, words)
        partial.write_text(page(found), encoding="utf-8")
    return folder / "index.html"


def gathered(cells: Sequence[Cell], settings: Settings, pictures: dict[Cell, Image]) -> list[Row]:
    """A row a cell: what its measures.json says, and what its pictures say."""
    judge, captions = the_judge(), list(dict.fromkeys(cell.prompt for cell in cells))
    eyes = None if settings.clip is None else clip.load(settings.clip)
    rows = []
    for cell in cells:
        failed = failure(cell) or (None if done(cell) else "not finished")
        values: Values = {}
        if failed is None:
            values = json.loads((cell.measures / "measures.json").read_text(encoding="utf-8"))
        if cell in pictures:
            seen = pictures[cell]
            values |= judging.judged(seen, cell.prompt, judge) | judging.janus_score(seen)
            values |= judging.colour_named(seen, cell.prompt)
            values |= judging.clip_scores(seen, cell.prompt, captions, eyes)
            values |= {"diversity": diversity_of(cell, pictures)}
        rows.append(Row(cell.variant, cell.prompt, cell.seed, values, failed))
    return rows


def diversity_of(cell: Cell, pictures: dict[Cell, Image]) -> float | str:
    """Of all seeds of the cell's variant and prompt; it stands in the row of the first of them."""
    alike = {c.seed: p for c, p in pictures.items() if (c.variant, c.prompt) == (cell.variant, cell.prompt)}
    first = min(alike)
    return judging.seed_diversity(alike) if cell.seed == first else f"counted with seed {first}"


def the_judge() -> Judge | str:
    """The judge, or why there is none."""
    try:
        return judges.load()
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        return f"the judge's weights are not there ({type(error).__name__})"


def content(
    rows: Sequence[Row], entries: dict[str, dict[str, Entry]], shown: Sequence[Column], words: Sequence[str]
) -> dict[str, Any]:
    """What report.json holds."""
    return {
        "command": ["python", "-m", "dream3d.compare", *words],
        "columns": [asdict(column) for column in shown],
        "table": {v: {name: asdict(entry) for name, entry in row.items()} for v, row in entries.items()},
        "cells": [asdict(row) for row in rows],
    }


def made(cells: Sequence[Cell], settings: Settings) -> dict[str, Any]:
    """What else report.json holds: the kinds of prompts of a benchmark, how long the runs were, and the
    machines that made them."""
    lengths = {key: sorted({cell.settings[key] for cell in cells}) for key in ("steps", "batch_size", "size")}
    machines = {json.dumps(machine(cell)) for cell in cells if (cell.folder / "run.json").is_file()}
    return {"groups": groups(settings), "runs": lengths, "machines": list(map(json.loads, sorted(machines)))}


def machine(cell: Cell) -> dict[str, Any]:
    """What a run's run.json says of the machine and versions."""
    facts = json.loads((cell.folder / "run.json").read_text(encoding="utf-8"))
    kept = ("cpu", "cores", "gpu", "platform", "python", "commit")
    versions = {name: facts.get("versions", {}).get(name) for name in ("dream3d", "torch")}
    return {**{key: facts.get(key) for key in kept}, **versions}


def as_csv(rows: Sequence[Row], shown: Sequence[Column]) -> str:
    """A line a cell; numbers in full, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["variant", "prompt", "seed", "failed", *(c.name for c in shown)])
    for row in rows:
        numbers = (v if isinstance(v := row.values.get(c.name), float) else "" for c in shown)
        writer.writerow([row.variant, row.prompt, row.seed, row.failed or "", *numbers])
    return out.getvalue()
