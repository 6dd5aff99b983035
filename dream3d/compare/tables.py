"""The table of a report as LaTeX (booktabs) and CSV."""

import csv
import io
from collections.abc import Mapping, Sequence

from dream3d.compare.figures import number
from dream3d.compare.table import Column, Entry

Entries = Mapping[str, Mapping[str, Entry]]
ESCAPES = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
           "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}  # fmt: skip
ARROWS = {"high": r" $\uparrow$", "low": r" $\downarrow$", "": ""}


def escaped(text: str) -> str:
    """Escaped for LaTeX.

    >>> escaped("50 % of a_b")
    '50 \\\\% of a\\\\_b'
    """
    return "".join(ESCAPES.get(letter, letter) for letter in text)


def measured(entries: Entries, shown: Sequence[Column]) -> list[Column]:
    """The columns in which any variant has a number."""
    return [c for c in shown if any(row[c.name].mean is not None for row in entries.values())]


def as_latex(entries: Entries, shown: Sequence[Column]) -> str:
    """A tabular for the package booktabs: a line a measured column, a column a variant; mean and spread over seeds,
    bold where a variant leads every other by more than the larger of the two spreads, a dash where there is none."""
    lines = [f"% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{l{'r' * len(entries)}}}", r"\toprule"]
    lines += [" & ".join(["", *map(escaped, entries)]) + r" \\", r"\midrule"]
    for column in measured(entries, shown):
        unit = f" [{escaped(column.unit)}]" if column.unit else ""
        cells = (latex_entry(row[column.name]) for row in entries.values())
        lines.append(" & ".join([f"{escaped(column.title)}{unit}{ARROWS[column.better]}", *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def latex_entry(entry: Entry) -> str:
    """Mean and spread in mathematics."""
    if entry.mean is None:
        return "--"
    spread = "" if entry.spread is None else rf" \pm {latex_number(entry.spread)}"
    text = f"{latex_number(entry.mean)}{spread}"
    return rf"$\mathbf{{{text}}}$" if entry.best else f"${text}$"


def latex_number(value: float) -> str:
    """Three significant digits; powers of ten as such.

    >>> latex_number(2e-6)
    '2 \\\\cdot 10^{-6}'
    """
    mantissa, e, power = number(value).partition("e")
    return rf"{mantissa} \cdot 10^{{{int(power)}}}" if e else mantissa


def as_csv_table(entries: Entries, shown: Sequence[Column]) -> str:
    """A line a variant and column: mean, spread, number of runs, and why there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["variant", "column", "title", "unit", "better", "mean", "spread", "runs", "missing"])
    for variant, row in entries.items():
        for c in shown:
            e = row[c.name]
            numbers = ["" if v is None else v for v in (e.mean, e.spread)]
            writer.writerow([variant, c.name, c.title, c.unit, c.better, *numbers, e.count, e.missing or ""])
    return out.getvalue()
