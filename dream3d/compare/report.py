"""The report, built from what lies in the cells' folders: index.html, report.json, report.csv (a line a run), and
the table as table.csv and table.tex."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dream3d.compare import clip as clips
from dream3d.compare import judging
from dream3d.compare.clip import Clip
from dream3d.compare.grid import Cell
from dream3d.compare.page import Findings, page
from dream3d.compare.pictures import read_pictures
from dream3d.compare.rewards import Reward, hps, image_reward
from dream3d.compare.settings import Settings, groups
from dream3d.compare.table import Column, Entry, Row, columns, table
from dream3d.compare.tables import as_csv_table, as_latex
from dream3d.compare.values import Values, from_json, missing, to_json
from dream3d.compare.views import read_views
from dream3d.compare.work import done, failure, write_json
from dream3d.metrics import judge as judges
from dream3d.metrics.judge import Judge
from dream3d.report.files import facts_of, replacing
from dream3d.run.config import Tree
from dream3d.types import Image


def write_report(cells: Sequence[Cell], settings: Settings, words: Sequence[str]) -> Path:
    """Write the five files from what there is. Returns index.html."""
    folder = Path(settings.out).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {cell: read_views(f) for cell in cells if done(cell) and (f := cell.measures / "views.png").is_file()}
    eyes = opened(settings)
    rows = gathered(cells, eyes, pictures)
    shown = columns(settings.noise_at, eyes.models())
    entries = table(rows, shown)
    write_json(content(rows, entries, shown, words) | made(cells, settings), folder / "report.json")
    texts = {
        "report.csv": as_csv(rows, shown),
        "table.csv": as_csv_table(entries, shown),
        "table.tex": as_latex(entries, shown),
        "index.html": page(Findings(cells, rows, pictures, entries, shown, words)),
    }
    for name, text in texts.items():
        with replacing(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")
    return folder / "index.html"


@dataclass(frozen=True)
class Eyes:
    """All models that score images: the judge (or the reason why there is none), and those given by the user."""

    judge: Judge | str
    clip: Clip | None
    rewards: dict[str, Reward | None]
    pictures: Image | None

    def models(self) -> dict[str, str]:
        """How columns start -> the name of the model behind them."""
        named = {"clip": self.clip, **self.rewards}
        return {start: model.name for start, model in named.items() if model is not None}


def opened(settings: Settings) -> Eyes:
    """Load what the settings name. Raises UserError if something is missing."""
    return Eyes(
        the_judge(),
        None if settings.clip is None else clips.load(settings.clip),
        {
            "image_reward": None if settings.image_reward is None else image_reward(settings.image_reward),
            "hps": None if settings.hps is None else hps(settings.hps),
        },
        None if settings.pictures is None else read_pictures(settings.pictures, settings.picture),
    )


def gathered(cells: Sequence[Cell], eyes: Eyes, pictures: dict[Cell, Image]) -> list[Row]:
    """One row per cell: the values in its measures.json, and the scores of its images."""
    captions = list(dict.fromkeys(cell.prompt for cell in cells))
    rows = []
    for cell in cells:
        failed = failure(cell) or (None if done(cell) else "not finished")
        values: Values = {}
        if failed is None:
            values = from_json(json.loads((cell.measures / "measures.json").read_text(encoding="utf-8")))
        if cell in pictures:
            seen = pictures[cell]
            values |= judging.judged(seen, cell.prompt, eyes.judge) | judging.janus_score(seen)
            values |= judging.colour_named(seen, cell.prompt)
            values |= judging.clip_scores(seen, cell.prompt, captions, eyes.clip)
            values |= judging.rewarded(seen, cell.prompt, eyes.rewards)
            values |= of_seeds(cell, pictures, eyes) | of_variant(cell, pictures, eyes)
        rows.append(Row(cell.variant, cell.prompt, cell.seed, values, failed))
    return rows


def of_seeds(cell: Cell, pictures: dict[Cell, Image], eyes: Eyes) -> Values:
    """Diversity of all seeds of the cell's variant and prompt; stored in the row of the first of them."""
    alike = {c.seed: p for c, p in pictures.items() if (c.variant, c.prompt) == (cell.variant, cell.prompt)}
    first = min(alike)
    if cell.seed != first:
        return missing(("diversity", "clip_diversity"), f"counted with seed {first}")
    return judging.seed_diversity(alike, eyes.clip)


def of_variant(cell: Cell, pictures: dict[Cell, Image], eyes: Eyes) -> Values:
    """Distances of all of the variant's renders to the given pictures; stored in the row of its first run."""
    first = next(c for c in pictures if c.variant == cell.variant)
    if cell != first:
        return missing(("judge_fid", "judge_kid", "clip_fid"), "counted with the variant's first run")
    renders = [picture for c, picture in pictures.items() if c.variant == cell.variant]
    return judging.distances(renders, eyes.pictures, eyes.judge, eyes.clip)


def the_judge() -> Judge | str:
    """The judge, or why there is none."""
    try:
        return judges.load()
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        return f"the judge's weights are missing ({type(error).__name__})"


def content(
    rows: Sequence[Row], entries: dict[str, dict[str, Entry]], shown: Sequence[Column], words: Sequence[str]
) -> Tree:
    """The contents of report.json."""
    return {
        "command": ["python", "-m", "dream3d.compare", *words],
        "columns": [asdict(column) for column in shown],
        "table": {v: {name: asdict(entry) for name, entry in row.items()} for v, row in entries.items()},
        "cells": [asdict(row) | {"values": to_json(row.values)} for row in rows],
    }


def made(cells: Sequence[Cell], settings: Settings) -> Tree:
    """What else report.json holds: the kinds of prompts of a benchmark, how long the runs were, and the
    machines that made them."""
    lengths = {key: sorted({cell.settings[key] for cell in cells}) for key in ("steps", "batch_size", "size")}
    machines = {json.dumps(machine(cell)) for cell in cells if (cell.folder / "run.json").is_file()}
    return {"groups": groups(settings), "runs": lengths, "machines": list(map(json.loads, sorted(machines)))}


def machine(cell: Cell) -> Tree:
    """What a run's run.json says of the machine and versions."""
    facts = facts_of(cell.folder / "run.json")
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
