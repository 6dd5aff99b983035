"""A finished report.json as Markdown: a short table for the README, and a page of findings.

Nothing is computed twice: means and spreads are those of report.json; what it has not, the sign tests and the
means by kind of prompt, is computed from its cells. No torch here.
"""

import itertools
import statistics
from collections.abc import Mapping, Sequence

from scipy.stats import binomtest

from dream3d.compare.figures import number
from dream3d.run.config import Tree

Report = Tree
SHORT = ("judge_precision", "judge_rank", "colour_match", "janus", "snr_0.5", "saturation", "fog",
         "seconds_per_step", "seconds")  # fmt: skip
JUDGED = ("judge_precision", "judge_rank", "colour_match", "janus")
LEVEL = 0.05
ARROWS = {"high": " ↑", "low": " ↓", "": ""}


def filled(text: str, name: str, body: str) -> str:
    """The text with the body between ``<!-- name: begin -->`` and ``<!-- name: end -->``.

    Raises:
        ValueError: the text has not exactly one such pair, in this order.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"got no single pair of lines, expected '{begin}' and '{end}'; put them in once")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{body.strip()}\n{end}{rest.split(end)[1]}"


def short_table(report: Report) -> str:
    """A line a variant: those columns of SHORT that were measured, mean and spread over seeds, best bold."""
    names = [name for name in SHORT if measured(report, name)]
    shown = {c["name"]: c for c in report["columns"]}
    head = ["", "runs", *(heading(shown[name]) for name in names)]
    lines = []
    for variant, entries in report["table"].items():
        runs = [cell for cell in report["cells"] if cell["variant"] == variant]
        ended = sum(cell["failed"] is None for cell in runs)
        count = f"{ended}" if ended == len(runs) else f"{ended} of {len(runs)}"
        lines.append([f"`{variant}`", count, *(entry(entries[name]) for name in names)])
    return rows([head, *lines])


def measured(report: Report, name: str) -> bool:
    """Has any variant a number in this column?"""
    return any(row.get(name, {}).get("mean") is not None for row in report["table"].values())


def heading(column: Mapping[str, str]) -> str:
    """Title, unit, and which way is better."""
    unit = f" [{column['unit']}]" if column["unit"] else ""
    return f"{column['title']}{unit}{ARROWS[column['better']]}"


def entry(found: Tree) -> str:
    """Mean and spread, as the page shows them."""
    if found["mean"] is None:
        return "-"
    spread = "" if found["spread"] is None else f" ± {number(found['spread'])}"
    text = f"{number(found['mean'])}{spread}"
    return f"**{text}**" if found["best"] else text


def rows(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first line is its head."""
    escaped = [[text.replace("|", "\\|") for text in line] for line in lines]
    rule = ["---"] * len(lines[0])
    return "\n".join(f"| {' | '.join(line)} |" for line in (escaped[0], rule, *escaped[1:]))


def findings(report: Report) -> str:
    """The page: how it was made, the whole table, kinds of prompts, pairs of variants, every prompt."""
    found = pairs(report)
    parts = [
        f"Made by `{' '.join(report['command'])}`.", conditions(report),
        "## All columns", "Mean over prompts ± standard deviation of that over seeds; bold where a variant "
        "leads every other by more than the larger of the two spreads.", whole_table(report),
        "## Pairs", f"Over prompts (seeds averaged): mean difference, and how many prompts are better, worse "
        f"or tied for the first of the two. The p of a two-sided sign test is significant below "
        f"{LEVEL:g} / {len(found) or 1} = {level(found):.2g} (Bonferroni, all lines of this table).",
        pair_table(report, found), "What that says:", says(report, found),
    ]  # fmt: skip
    if report["groups"]:
        parts += ["## Kinds of prompts", kind_table(report)]
    parts += [
        "## Prompts",
        "Judge R-precision, means over seeds, best understood first.",
        prompt_table(report),
    ]
    return "\n\n".join(part for part in parts if part)


def conditions(report: Report) -> str:
    """Runs, failures, budget and machines in a sentence or two."""
    cells, length = report["cells"], {k: "/".join(map(str, v)) for k, v in report["runs"].items()}
    reasons = sorted({f"{c['variant']}: {c['failed']}" for c in cells if c["failed"]})
    failed = f" {sum(bool(c['failed']) for c in cells)} failed ({'; '.join(reasons)})." if reasons else ""
    machines = {
        f"{m['cpu']}, {m['cores']} cores a process, {m['gpu'] or 'no GPU'}, torch {m['torch']}"
        for m in report["machines"]
    }
    budget = f"{length['steps']} steps of {length['batch_size']} views of {length['size']} x {length['size']}"
    return f"{len(cells)} runs of {budget}, on {' and '.join(sorted(machines))}.{failed}"


def whole_table(report: Report) -> str:
    """A line a measured column; what was not measured is listed below with its reason."""
    variants = list(report["table"])
    lines, missing = [["", *(f"`{v}`" for v in variants)]], []
    for column in report["columns"]:
        found = [report["table"][v][column["name"]] for v in variants]
        if measured(report, column["name"]):
            lines.append([heading(column), *map(entry, found)])
        else:
            missing.append(f"{column['title']} ({found[0]['missing']})")
    return rows(lines) + (f"\n\nNot measured: {'; '.join(missing)}." if missing else "")


def by_prompt(report: Report, variant: str, name: str) -> dict[str, float]:
    """Prompt -> mean over seeds, where there is a number."""
    found: dict[str, list[float]] = {}
    for cell in report["cells"]:
        value = cell["values"].get(name)
        if cell["variant"] == variant and not cell["failed"] and isinstance(value, int | float):
            found.setdefault(cell["prompt"], []).append(float(value))
    return {prompt: statistics.fmean(values) for prompt, values in found.items()}


Pair = tuple[str, str, str, float, int, int, int, float]
"""Column, first, second, mean difference, prompts better, worse, tied for the first, p."""


def pairs(report: Report) -> list[Pair]:
    """All pairs of variants in the columns of JUDGED, over the prompts that both have."""
    found = []
    better = {c["name"]: c["better"] for c in report["columns"]}
    for name, (a, b) in itertools.product(JUDGED, itertools.combinations(report["table"], 2)):
        one, other = by_prompt(report, a, name), by_prompt(report, b, name)
        differences = [one[prompt] - other[prompt] for prompt in one if prompt in other]
        if differences:
            sign = 1 if better[name] == "high" else -1
            wins, losses = (sum(s * sign * d > 0 for d in differences) for s in (1, -1))
            p = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
            ties = len(differences) - wins - losses
            found.append((name, a, b, statistics.fmean(differences), wins, losses, ties, float(p)))
    return found


def level(found: Sequence[Pair]) -> float:
    """Below which a p is significant."""
    return LEVEL / (len(found) or 1)


def pair_table(report: Report, found: Sequence[Pair]) -> str:
    """A line a column and pair."""
    titles = {c["name"]: c["title"] for c in report["columns"]}
    lines = [["", "", "difference", "better", "worse", "tied", "p"]]
    for name, a, b, difference, wins, losses, ties, p in found:
        counts = map(str, (wins, losses, ties))
        lines.append([titles[name], f"`{a}` - `{b}`", number(difference), *counts, f"{p:.2g}"])
    return rows(lines)


def says(report: Report, found: Sequence[Pair]) -> str:
    """A sentence a judged column: which pairs differ significantly, or that none does."""
    titles = {c["name"]: c["title"] for c in report["columns"]}
    lines = []
    for name in dict.fromkeys(pair[0] for pair in found):
        clear = [p for p in found if p[0] == name and p[-1] < level(found)]
        ordered = [(p[1], p[2]) if p[4] > p[5] else (p[2], p[1]) for p in clear]
        beaten = [f"`{first}` beats `{second}`" for first, second in ordered]
        lines.append(f"- {titles[name]}: {', '.join(beaten) or 'no pair differs significantly'}.")
    return "\n".join(lines)


def kind_table(report: Report) -> str:
    """Means of JUDGED over the prompts of each kind."""
    columns = {c["name"]: c for c in report["columns"]}
    variants = list(report["table"])
    lines = [["", "", *(f"`{v}`" for v in variants)]]
    for (kind, members), name in itertools.product(report["groups"].items(), JUDGED):
        found = []
        for variant in variants:
            values = [v for prompt, v in by_prompt(report, variant, name).items() if prompt in members]
            found.append(number(statistics.fmean(values)) if values else "-")
        if set(found) != {"-"}:
            lines.append([kind, heading(columns[name]), *found])
    return rows(lines)


def prompt_table(report: Report) -> str:
    """A line a prompt, a column a variant."""
    found = {v: by_prompt(report, v, "judge_precision") for v in report["table"]}
    prompts = list(dict.fromkeys(cell["prompt"] for cell in report["cells"]))
    means = {p: [row[p] for row in found.values() if p in row] for p in prompts}
    order = sorted(prompts, key=lambda p: -statistics.fmean(means[p] or [-1.0]))
    shown = ([number(row[p]) if p in row else "-" for row in found.values()] for p in order)
    head = ["", *(f"`{v}`" for v in found)]
    return rows([head, *([p, *line] for p, line in zip(order, shown, strict=True))])
