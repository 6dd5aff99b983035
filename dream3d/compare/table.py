"""The table: for each variant and column the mean over prompts, and its mean and spread over seeds."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dream3d.compare.measure import snr_name
from dream3d.compare.values import Missing, Values


@dataclass(frozen=True)
class Column:
    """One measured thing. ``better`` is "high", "low" or "" (where neither is)."""

    name: str
    title: str
    unit: str
    better: str
    about: str


@dataclass(frozen=True)
class Row:
    """One run: its values, or why it failed."""

    variant: str
    prompt: str
    seed: int
    values: Values
    failed: str | None


@dataclass(frozen=True)
class Entry:
    """Mean and spread (sample standard deviation over seeds; None for one seed) of ``count`` runs, or why
    there is none. ``best``: better than all others by more than the spread of either."""

    mean: float | None
    spread: float | None
    count: int
    missing: str | None
    best: bool = False


COLUMNS = (
    Column("seconds_per_step", "time per step", "s", "low", "wall clock of the optimisation over its steps"),
    Column("seconds", "time in all", "s", "low", "loading, steps, mesh and images"),
    Column("peak_memory", "peak memory", "MiB", "low", "of the whole process, including the prior"),
    Column(
        "judge_precision",
        "judge R-precision",
        "",
        "high",
        "fraction of 8 views whose concept the judge ranks first",
    ),
    Column("judge_rank", "judge rank", "", "low", "mean rank of the correct concept, 1 is best"),
    Column("colour_match", "colour match", "", "high", "fraction of pixels in the colour named by the prompt"),
    Column("clip_score", "CLIP score", "", "high", "100 max(cosine of image and prompt, 0), 8 views"),
    Column("clip_precision", "CLIP R-precision", "", "high", "fraction of 8 views nearest to their own prompt"),
    Column("image_reward", "ImageReward", "", "high", "learned preference (arXiv 2304.05977), 8 views"),
    Column("hps", "HPS v2", "", "high", "learned preference (arXiv 2306.09341), 8 views"),
    Column("judge_fid", "Frechet distance, judge", "", "low", "of all renders to the given images, judge's features"),
    Column("judge_kid", "kernel distance, judge", "", "low", "the same, unbiased for few images (as KID)"),
    Column("clip_fid", "Frechet distance, CLIP", "", "low", "of all renders to the given images, CLIP's features"),
    Column(
        "janus",
        "Janus score",
        "",
        "low",
        "0: one front; 1: it repeats around the object (natural symmetry counts too)",
    ),
    Column("diversity", "diversity over seeds", "", "", "RMS pixel difference between seeds, 8 views"),
    Column("clip_diversity", "CLIP diversity over seeds", "", "", "distance of unit embeddings between seeds, 8 views"),
    Column("particle_diversity", "diversity over particles", "", "", "the same between the particles of a run"),
    Column("chamfer", "Chamfer to reference", "", "low", "half the sum of mean nearest distances, unit ball"),
    Column("f_score", "F-score to reference", "", "high", "at 0.05 of the unit ball's radius"),
    Column("iou", "volume IoU with reference", "", "high", "64 cells a side"),
    Column(
        "grad_norm",
        "gradient norm",
        "",
        "",
        "median over steps, before clipping; scales differ between losses",
    ),
    Column("gradient_variance", "gradient variance", "", "", "over noise at fixed x, per element, mean over t"),
    Column("saturation", "saturation", "", "", "mean HSV saturation of the field's solid pixels"),
    Column("opacity", "opacity", "", "", "mean alpha of the field in 8 views"),
    Column("fog", "haze", "", "low", "fraction of pixels that are neither transparent nor opaque"),
    Column("faces", "faces", "", "", "triangles of the exported mesh"),
    Column("watertight", "watertight", "", "high", "fraction of the exported meshes"),
)


def columns(noise_at: Sequence[float], models: Mapping[str, str] | None = None) -> list[Column]:
    """All columns, with the signal-to-noise ratios at these fractions of T, and in the titles of the columns that
    start so the name of the model behind them (``models``: "clip" -> "clip-vit-large-patch14")."""
    about = "|mean|^2 / variance of the gradient over noise at fixed x"
    ratios = [Column(snr_name(u), f"gradient SNR, t = {u:g} T", "", "", about) for u in noise_at]
    at = [c.name for c in COLUMNS].index("gradient_variance") + 1
    return [with_model(column, models or {}) for column in (*COLUMNS[:at], *ratios, *COLUMNS[at:])]


def with_model(column: Column, models: Mapping[str, str]) -> Column:
    """The column with the name of its model in the title."""
    name = next((model for start, model in models.items() if column.name.startswith(start)), None)
    return column if name is None else replace(column, title=f"{column.title} ({name})")


def table(rows: Sequence[Row], columns: Sequence[Column]) -> dict[str, dict[str, Entry]]:
    """variant -> column -> Entry."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    found = {v: {c.name: entry([r for r in rows if r.variant == v], c.name) for c in columns} for v in variants}
    for column in columns:
        winner = best({v: found[v][column.name] for v in variants}, column.better)
        if winner is not None:
            found[winner][column.name] = replace(found[winner][column.name], best=True)
    return found


def entry(rows: Sequence[Row], name: str) -> Entry:
    """One variant's mean over prompts, and the mean and spread of these over seeds."""
    values = [(row.seed, v) for row in rows if isinstance(v := row.values.get(name), float)]
    if not values:
        reasons = [row.failed or reason_of(row.values.get(name)) for row in rows]
        return Entry(None, None, 0, Counter(reasons).most_common(1)[0][0])
    seeds = sorted({seed for seed, _ in values})
    means = [statistics.fmean(v for s, v in values if s == seed) for seed in seeds]
    spread = statistics.stdev(means) if len(means) > 1 else None
    return Entry(statistics.fmean(means), spread, len(values), None)


def reason_of(value: float | Missing | None) -> str:
    """The reason why there is no number."""
    return value.reason if isinstance(value, Missing) else "not measured"


def best(entries: Mapping[str, Entry], better: str) -> str | None:
    """The variant whose mean beats every other's by more than the larger of the two spreads; None where
    there is no such, where a spread is unknown, or where neither direction is better."""
    known = {v: e for v, e in entries.items() if e.mean is not None}
    if not better or len(known) < 2 or any(e.spread is None for e in known.values()):
        return None
    sign = 1 if better == "high" else -1
    winner = max(known, key=lambda v: sign * (known[v].mean or 0.0))
    first = known.pop(winner)
    gaps = ((sign * ((first.mean or 0) - (e.mean or 0)), max(first.spread or 0, e.spread or 0)) for e in known.values())
    return winner if all(gap > spread for gap, spread in gaps) else None
