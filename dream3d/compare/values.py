"""Measured values of a run: numbers, or reasons why there is none."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dream3d.run.config import Tree


@dataclass(frozen=True)
class Missing:
    """Stands for a number that could not be measured."""

    reason: str


Values = dict[str, float | Missing]


def missing(names: Iterable[str], reason: str) -> Values:
    """All of these missing for one reason."""
    return dict.fromkeys(names, Missing(reason))


def finite(values: Values) -> Values:
    """NaN and infinite values count as missing."""
    odd = {k: Missing(f"got {v}") for k, v in values.items() if isinstance(v, float) and not math.isfinite(v)}
    return {**values, **odd}


def to_json(values: Values) -> Tree:
    """Numbers as they are; missing ones as ``{"missing": reason}``.

    >>> to_json({"fog": 0.5, "iou": Missing("no mesh")})
    {'fog': 0.5, 'iou': {'missing': 'no mesh'}}
    """
    return {name: {"missing": v.reason} if isinstance(v, Missing) else v for name, v in values.items()}


def from_json(values: Tree) -> Values:
    """Inverse of ``to_json``. A plain text, as in version 0.1, is a reason too."""
    found: Values = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found[name] = Missing(str(value.get("missing", "not measured")))
        else:
            found[name] = Missing(value) if isinstance(value, str) else float(value)
    return found
