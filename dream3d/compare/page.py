"""index.html of a comparison: one file, nothing fetched."""

import base64
import html
import io
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Pillow

from dream3d.compare.collect import differing, flat
from dream3d.compare.curves import COLOURS, binned, chart
from dream3d.compare.figures import number
from dream3d.compare.galleries import by_prompt, sheets, turntables
from dream3d.compare.grid import PLACE, Cell
from dream3d.compare.measure import log
from dream3d.compare.table import Column, Entry, Row
from dream3d.compare.values import Missing
from dream3d.compare.views import VIEWS
from dream3d.report.pictures import contact_sheet
from dream3d.types import Image

TEMPLATE = Path(__file__).with_name("page.html")
CHARTS = (("grad_norm", "gradient norm", True), ("loss", "loss (not comparable between losses)", True),
          ("alpha", "mean opacity of the training views", False))  # fmt: skip


@dataclass(frozen=True)
class Findings:
    """All that the page shows: a row and (where it was finished) pictures for each cell, and the table."""

    cells: Sequence[Cell]
    rows: Sequence[Row]
    pictures: Mapping[Cell, Image]
    entries: Mapping[str, Mapping[str, Entry]]
    columns: Sequence[Column]
    words: Sequence[str]


def page(found: Findings) -> str:
    """The whole page. Text enters it as escaped HTML only."""
    cells, rows, pictures, entries = found.cells, found.rows, found.pictures, found.entries
    prompts = list(dict.fromkeys(row.prompt for row in rows))
    title = prompts[0] if len(prompts) == 1 else f"{len(prompts)} prompts"
    parts = {
        "title": html.escape(f"{', '.join(entries)}: {title}"),
        "command": html.escape(shlex.join(["python", "-m", "dream3d.compare", *found.words])),
        "views": str(VIEWS),
        "sprites": sprites(cells, pictures),
        "table": table_html(entries, found.columns),
        "prompts": by_prompt(rows),
        "legend": legend(list(entries)),
        "charts": charts(cells, list(entries)),
        "turntables": turntables(cells, rows, pictures),
        "sheets": sheets(cells, rows, pictures),
        "cells": cells_html(rows, found.columns),
        "settings": settings_html(cells),
    }
    template = TEMPLATE.read_text(encoding="utf-8")
    # One pass, so that a prompt which looks like a placeholder stays a prompt.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)


def sprites(cells: Sequence[Cell], pictures: Mapping[Cell, Image]) -> str:
    """A CSS class a cell with the strip of its views, so that each picture stands in the file once."""
    return "\n".join(
        f".s{i} {{ background-image: url(data:image/webp;base64,{strip(pictures[cell])}); }}"
        for i, cell in enumerate(cells)
        if cell in pictures
    )


def strip(image: Image) -> str:
    """The views over white in a row, as base64 of a WebP."""
    white = image.colour.new_ones(1, 1, 1, 3)
    out = io.BytesIO()
    frames = image.over(white)
    Pillow.fromarray(contact_sheet(frames, len(frames)).numpy()).save(out, "WEBP", quality=82)
    return base64.b64encode(out.getvalue()).decode("ascii")


def table_html(entries: Mapping[str, Mapping[str, Entry]], shown: Sequence[Column]) -> str:
    """A line a column of the data, a column a variant. One reason for all variants is said once a line, and
    once in the head where a variant failed altogether."""
    failed = {v: reason for v, row in entries.items() if (reason := one_reason(list(row.values())))}
    heads = (
        f"<th>{html.escape(v)}{f'<small>{html.escape(failed[v])}</small>' if v in failed else ''}</th>" for v in entries
    )
    lines = [f"<tr><th></th>{''.join(heads)}</tr>"]
    for column in shown:
        unit = f" [{html.escape(column.unit)}]" if column.unit else ""
        arrow = {"high": " &uarr;", "low": " &darr;", "": ""}[column.better]
        name = f"<th title='{html.escape(column.about, quote=True)}'>{column.title}{unit}{arrow}</th>"
        row = {v: entries[v][column.name] for v in entries}
        reason = one_reason([entry for v, entry in row.items() if v not in failed])
        if reason:
            text = f"<td class='missing' colspan='{len(row)}'>not available: {html.escape(reason)}</td>"
        else:
            text = "".join("<td>&ndash;</td>" if v in failed else entry_html(row[v]) for v in row)
        lines.append(f"<tr data-column='{column.name}'>{name}{text}</tr>")
    return f"<table class='numbers'>{''.join(lines)}</table>"


def one_reason(entries: Sequence[Entry]) -> str | None:
    """Why all of these are missing, where that is one and the same reason."""
    reasons = {entry.missing for entry in entries}
    return next(iter(reasons)) if len(reasons) == 1 else None


def entry_html(entry: Entry) -> str:
    """Mean and spread; the full numbers stand in data attributes."""
    if entry.mean is None:
        return f"<td class='missing'>not available: {html.escape(entry.missing or '')}</td>"
    spread = "" if entry.spread is None else f" <span>&plusmn; {number(entry.spread)}</span>"
    kind = " class='best'" if entry.best else ""
    data = f"data-mean='{entry.mean!r}' data-spread='{entry.spread!r}'"
    return f"<td{kind} {data}>{number(entry.mean)}{spread}</td>"


def cells_html(rows: Sequence[Row], shown: Sequence[Column]) -> str:
    """All numbers of all runs."""
    titles = ("variant", "prompt", "seed", *(c.title for c in shown))
    head = "".join(f"<th><button type='button'>{html.escape(title)}</button></th>" for title in titles)
    lines = []
    for row in rows:
        start = f"<td>{html.escape(row.variant)}</td><td>{html.escape(row.prompt)}</td><td>{row.seed}</td>"
        if row.failed:
            rest = f"<td class='failed' colspan='{len(shown)}'>failed: {html.escape(row.failed)}</td>"
        else:
            values = (row.values.get(c.name) for c in shown)
            rest = "".join(cell_html(value) for value in values)
        lines.append(f"<tr>{start}{rest}</tr>")
    return f"<table class='all'><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def cell_html(value: float | Missing | None) -> str:
    """A number, in full for sorting; or a dash that says why there is none."""
    if isinstance(value, int | float):
        return f"<td data-value='{float(value)!r}'>{number(value)}</td>"
    reason = html.escape(value.reason if value else "not measured", quote=True)
    return f"<td title='{reason}'>&ndash;</td>"


def settings_html(cells: Sequence[Cell]) -> str:
    """The settings in which the variants differ: a line a setting, a column a variant."""
    trees = {cell.variant: flat(cell.settings) for cell in reversed(cells)}
    variants = list(dict.fromkeys(cell.variant for cell in cells))
    keys = [key for key in differing([trees[v] for v in variants]) if key not in PLACE]
    if not keys:
        return "<p>The variants have the same settings.</p>"
    head = "".join(f"<th>{html.escape(v)}</th>" for v in variants)
    lines = [f"<tr><th></th>{head}</tr>"]
    for key in keys:
        values = "".join(f"<td>{html.escape(str(trees[v].get(key, '')))}</td>" for v in variants)
        lines.append(f"<tr><th>{html.escape(key)}</th>{values}</tr>")
    return f"<table class='numbers'>{''.join(lines)}</table>"


def legend(variants: Sequence[str]) -> str:
    """The colour of each variant."""
    marks = (
        f"<span><i style='background:{COLOURS[i % len(COLOURS)]}'></i>{html.escape(v)}</span>"
        for i, v in enumerate(variants)
    )
    return "".join(marks)


def charts(cells: Sequence[Cell], variants: Sequence[str]) -> str:
    """The learning curves of all runs that logged any."""
    logs = [(cell, log(cell)) for cell in cells]
    last = max((cell.settings["steps"] for cell in cells), default=1)
    drawn = []
    for key, title, logarithmic in CHARTS:
        curves = {v: [] for v in variants}
        for cell, lines in logs:
            pairs = [(row["step"], row[key]) for row in lines if row.get(key) is not None]
            if pairs:
                steps, values = zip(*pairs, strict=True)
                curves[cell.variant].append(binned(steps, values, last))
        drawn.append(chart(title, curves, last, logarithmic))
    return "".join(drawn)
