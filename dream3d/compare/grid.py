"""The cells of a comparison: variants (products of axes) x prompts x seeds, each one ordinary run.

The random draws of a run depend on (seed, step, stream) alone (``seeding.py``), so cells with one seed see
the same initial field, cameras, backgrounds and noise. Timesteps are drawn from the loss's own range, so
with ``time=shared`` every cell gets the range (and the number of noise_samples) of the base configuration.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf

from dream3d.cli.overrides import composed
from dream3d.compare.settings import Given, Request, plain, prompts
from dream3d.errors import UserError
from dream3d.run import config as configuration
from dream3d.run.config import Tree
from dream3d.run.directory import slug
from dream3d.run.guidances import for_edits
from dream3d.run.saved import saved_settings

PLACE = ("out", "resume", "overwrite")
"""Settings that are paths of a run and do not change its result."""


@dataclass(frozen=True)
class Cell:
    """One run: variant, prompt, seed, the folders of the run and of its measurements (the same, except for runs that
    already exist), and its resolved settings."""

    variant: str
    prompt: str
    seed: int
    folder: Path
    measures: Path
    settings: Tree = field(hash=False)

    @property
    def label(self) -> str:
        """For progress lines."""
        return f"{self.variant} | {self.prompt} | seed {self.seed}"


def cells(request: Request) -> list[Cell]:
    """All cells in the order of the report: by prompt, seed, variant.

    Raises:
        UserError: unknown keys or values.
    """
    settings, root = request.settings, Path(request.settings.out).expanduser()
    wanted, base = prompts(settings), composed([*request.words, f"prompt='{NOTHING}'"])
    chosen = axes(request)
    configs = {}
    for words in itertools.product(*(axis_words(key, values) for key, values in chosen.items())):
        config = composed([*request.words, *words, f"prompt='{NOTHING}'"])
        if settings.time == "shared":
            share_time(config, base, chosen)
        configs[label(words)] = config
    return [
        cell(variant, configs[variant], prompt, seed, root)
        for prompt in wanted
        for seed in settings.seeds
        for variant in configs
    ]


NOTHING = "compared"


def share_time(config: DictConfig, base: DictConfig, chosen: Tree) -> None:
    """Timesteps and number of noise draws as in the base configuration, unless they are varied."""
    for name in ("time", "noise_samples"):
        if not any(key.startswith(f"distill.{name}") for key in chosen):
            config.distill[name] = OmegaConf.masked_copy(base.distill, [name])[name]


def cell(variant: str, config: DictConfig, prompt: str, seed: int, root: Path) -> Cell:
    """The variant's run for a prompt and a seed. The folder name ends in a digest of all settings, so
    that the same command finds the run again and never confuses it with another."""
    own = cast(DictConfig, config.copy())
    own.prompt, own.seed = prompt, seed
    configuration.check(own)
    settings = resolved(own)
    folder = root / "cells" / f"{slug(variant)}-{slug(prompt)}-{seed}-{digest(settings)}"
    return Cell(variant, prompt, seed, folder, folder, {**settings, "out": str(folder)})


def resolved(config: DictConfig) -> Tree:
    """Plain settings without those of PLACE."""
    tree = cast(Tree, OmegaConf.to_container(config, resolve=True))
    return {key: value for key, value in tree.items() if key not in PLACE}


def digest(settings: Tree) -> str:
    """Eight hex digits that identify the settings.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:8]


def axes(request: Request) -> dict[str, list[Given]]:
    """Key -> values of all axes: ``group=[a, b]`` words, then ``axis=`` with its ``values=``."""
    keys, given = request.settings.axis, request.settings.values
    keys = [] if keys is None else [keys] if isinstance(keys, str) else list(keys)
    rows: list[Given] = [None] * len(keys)
    if given is not None:
        rows = [given] if len(keys) == 1 else list(given) if isinstance(given, list) else []
    if len(rows) != len(keys):
        raise UserError(f"values: got {given} for axis={keys}, expected one list of values for each axis")
    found: dict[str, list[Given]] = dict(request.axes)
    for key, row in zip(keys, rows, strict=True):
        found[key] = members(key) if row is None else [plain(v) for v in row] if isinstance(row, list) else [row]
    for key, values in found.items():
        if not values or len({str(v) for v in values}) < len(values):
            raise UserError(f"{key}: got {values}, expected different values to compare")
    return found


def members(group: str) -> list[str]:
    """All members of a configuration group, losses of edits left out. Raises UserError if the key is not a group."""
    folder = configuration.folder() / group
    if not folder.is_dir():
        raise UserError(f"values: got nothing for axis={group}, expected a list, e.g. values=[1,5,10]")
    files = [file for file in folder.glob("*.yaml") if group != "distill" or not of_edits(file)]
    return sorted(file.stem for file in files)


def of_edits(file: Path) -> bool:
    """Whether this member of ``distill`` has a loss for edits."""
    loss = OmegaConf.select(OmegaConf.load(file), "loss._target_")
    return loss is not None and for_edits(get_method(loss))


def axis_words(key: str, values: Sequence[Given]) -> list[str]:
    """One command-line override per value.

    >>> axis_words("distill.loss.scale", [1, 2.5])
    ['distill.loss.scale=1', 'distill.loss.scale=2.5']
    """
    for value in values:
        if value is not None and not isinstance(value, str | int | float):
            raise UserError(f"values: got {value!r} for {key}, expected numbers or words")
    return [f"{key}={json.dumps(v) if v is None or isinstance(v, bool) else v}" for v in values]


def label(words: Sequence[str]) -> str:
    """The label of a variant: group members by name only.

    >>> label(["distill=sds", "distill.loss.scale=5"])
    'sds, distill.loss.scale=5'
    >>> label([])
    'run'
    """
    return ", ".join(word if "." in word else word.partition("=")[2] for word in words) or "run"


def existing(folders: Sequence[str], root: Path) -> list[Cell]:
    """Cells of existing runs. Runs that differ only in prompt and seed form one variant, named after the first one's
    folder.

    Raises:
        UserError: a folder without a run.
    """
    found, names = [], {}
    for place in folders:
        folder = Path(place).expanduser()
        settings = resolved(saved_settings(folder, "runs"))
        kind = digest({k: v for k, v in settings.items() if k not in ("prompt", "seed")})
        variant = names.setdefault(kind, folder.resolve().name)
        measures = root / "cells" / f"{folder.resolve().name}-{digest(settings)}"
        found.append(Cell(variant, settings["prompt"], settings["seed"], folder, measures, settings))
    return found
