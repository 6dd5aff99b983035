"""Learning curves as inline SVG: one line per variant (mean over its runs), with a band from minimum to maximum."""

import html
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dream3d.compare.figures import number

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31")
"""The palette of Okabe and Ito, distinguishable for colour-blind readers."""
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 240, 54, 24, 8
BINS = 60
Array = NDArray[np.float64]


def binned(steps: Sequence[int], values: Sequence[float], last: int, bins: int = BINS) -> Array:
    """Means of the values in equal bins of [0, last); NaN in empty bins."""
    at = np.minimum(np.asarray(steps) * bins // max(last, 1), bins - 1)
    count = np.bincount(at, minlength=bins).astype(float)
    total = np.bincount(at, weights=np.asarray(values, dtype=float), minlength=bins)
    return np.divide(total, count, out=np.full(bins, np.nan), where=count > 0)


def chart(title: str, curves: Mapping[str, Sequence[Array]], last: int, log: bool) -> str:
    """One chart. ``curves``: variant -> a curve (bins,) for each of its runs, already in bins."""
    if log:
        curves = {name: [np.log10(np.where(c > 0, c, np.nan)) for c in group] for name, group in curves.items()}
    finite = np.concatenate([c[np.isfinite(c)] for group in curves.values() for c in group] or [np.zeros(0)])
    if not len(finite):
        return f"<figure><figcaption>{html.escape(title)}: nothing was logged</figcaption></figure>"
    low, high = float(finite.min()), float(finite.max())
    high = high if high > low else low + 1
    body = []
    for tick in np.linspace(low, high, 4):
        y = height_of(float(tick), low, high)
        text = number(10**tick if log else tick)
        body.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        body.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
        x = LEFT + share * (WIDTH - LEFT)
        body.append(f'<text x="{x:.0f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{round(share * last)}</text>')
    for i, (name, group) in enumerate(curves.items()):
        body.append(line(name, np.stack(group), low, high, COLOURS[i % len(COLOURS)]) if group else "")
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">'
    return f"<figure>{head}{''.join(body)}</svg><figcaption>{html.escape(title)}</figcaption></figure>"


def line(name: str, group: Array, low: float, high: float, colour: str) -> str:
    """The band and the mean of one variant's runs."""
    seen = np.isfinite(group).any(axis=0)
    if not seen.any():
        return ""
    x = LEFT + (np.arange(group.shape[1])[seen] + 0.5) / group.shape[1] * (WIDTH - LEFT)
    inside = group[:, seen]
    mean, least, most = np.nanmean(inside, 0), np.nanmin(inside, 0), np.nanmax(inside, 0)
    upper, lower = points(x, most, low, high), points(x[::-1], least[::-1], low, high)
    band = f'<polygon points="{upper} {lower}" fill="{colour}" opacity="0.13"/>' if len(group) > 1 else ""
    trace = f'<polyline points="{points(x, mean, low, high)}" stroke="{colour}"/>'
    return f"<g><title>{html.escape(name)}</title>{band}{trace}</g>"


def points(x: Array, y: Array, low: float, high: float) -> str:
    """SVG's list of points."""
    return " ".join(f"{a:.1f},{height_of(float(b), low, high):.1f}" for a, b in zip(x, y, strict=True))


def height_of(value: float, low: float, high: float) -> float:
    """Pixels from the top."""
    share = (value - low) / (high - low)
    assert math.isfinite(share)
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)
