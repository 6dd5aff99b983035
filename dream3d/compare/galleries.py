"""Sections of the page for each prompt: turntables, eight views, and the judge's recognition.

With many prompts, all but the first few are collapsed.
"""

import html
import statistics
from collections.abc import Mapping, Sequence

from dream3d.compare.figures import number
from dream3d.compare.grid import Cell
from dream3d.compare.table import Row
from dream3d.compare.views import VIEWS
from dream3d.types import Image

OPEN = 3
"""Number of prompts that are not collapsed."""
NAMES = ("front", "", "side", "", "back", "", "side", "")


def folded(parts: Mapping[str, str]) -> str:
    """Title -> HTML; collapsible if there are many."""
    if len(parts) <= OPEN:
        return "".join(f"<h3>{html.escape(title)}</h3>{body}" for title, body in parts.items())
    return "".join(
        f"<details{' open' if i < OPEN else ''}><summary>{html.escape(title)}</summary>{body}</details>"
        for i, (title, body) in enumerate(parts.items())
    )


def turntables(cells: Sequence[Cell], rows: Sequence[Row], pictures: Mapping[Cell, Image]) -> str:
    """One row per prompt and seed, the variants side by side."""
    lines: dict[str, str] = {}
    variants = list(dict.fromkeys(cell.variant for cell in cells))
    place = {(c.variant, c.prompt, c.seed): i for i, c in enumerate(cells)}
    for prompt, seed in dict.fromkeys((cell.prompt, cell.seed) for cell in cells):
        found = [i for v in variants if (i := place.get((v, prompt, seed))) is not None]
        boxes = "".join(box(i, rows[i], cells[i] in pictures) for i in found)
        line = f"<p class='seed'>seed {seed}</p><div class='row'>{boxes}</div>"
        lines[prompt] = lines.get(prompt, "") + line
    return folded(lines)


def box(i: int, row: Row, seen: bool) -> str:
    """One turntable, or the reason why there is none."""
    name = html.escape(row.variant)
    inside = f"<div class='turn s{i}' role='img' aria-label='{name}, turning'></div>" if seen else ""
    inside = inside or f"<div class='none'>{html.escape(row.failed or 'no pictures')}</div>"
    return f"<figure>{inside}<figcaption>{name}</figcaption></figure>"


def sheets(cells: Sequence[Cell], rows: Sequence[Row], pictures: Mapping[Cell, Image]) -> str:
    """Eight views of every result, one row each, one table per prompt."""
    head = f"<tr><th></th>{''.join(f'<th>{name}</th>' for name in NAMES)}</tr>"
    lines: dict[str, str] = {}
    for i, (cell, row) in enumerate(zip(cells, rows, strict=True)):
        name = f"<th>{html.escape(row.variant)}<small>seed {row.seed}</small></th>"
        if cell in pictures:
            sides = (f"<td><div class='side s{i}' style='--view:{VIEWS // 8 * k}'></div></td>" for k in range(8))
            line = f"<tr>{name}{''.join(sides)}</tr>"
        else:
            reason = html.escape(row.failed or "no pictures")
            line = f"<tr>{name}<td colspan='8' class='failed'>{reason}</td></tr>"
        lines[row.prompt] = lines.get(row.prompt, "") + line
    return folded({p: f"<table class='sheet'>{head}{body}</table>" for p, body in lines.items()})


def by_prompt(rows: Sequence[Row]) -> str:
    """The judge's R-precision and rank of each prompt, means over seeds; empty for a single prompt."""
    prompts, variants = dict.fromkeys(row.prompt for row in rows), dict.fromkeys(row.variant for row in rows)
    if len(prompts) < 2:
        return ""
    lines = [f"<tr><th></th>{''.join(f'<th>{html.escape(v)}</th>' for v in variants)}</tr>"]
    for prompt in prompts:
        own = [[row for row in rows if (row.prompt, row.variant) == (prompt, v)] for v in variants]
        lines.append(f"<tr><th>{html.escape(prompt)}</th>{''.join(map(score, own))}</tr>")
    about = "<p>By prompt: judge R-precision, and in grey the rank; means over seeds.</p>"
    return f"<h2>Prompts</h2>{about}<div class='wide'><table class='numbers'>{''.join(lines)}</table></div>"


def score(rows: Sequence[Row]) -> str:
    """R-precision and rank of runs that differ only in their seed; darker is better."""
    precision, rank = (mean(rows, name) for name in ("judge_precision", "judge_rank"))
    if precision is None or rank is None:
        return "<td class='missing'>&ndash;</td>"
    colour = f"background:rgba(0,158,115,{0.45 * precision:.2f})"
    return f"<td style='{colour}'>{number(precision)} <span>{number(rank)}</span></td>"


def mean(rows: Sequence[Row], name: str) -> float | None:
    """Mean over the rows that have a number."""
    values = [v for row in rows if isinstance(v := row.values.get(name), float)]
    return statistics.fmean(values) if values else None
