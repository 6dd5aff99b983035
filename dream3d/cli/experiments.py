"""``experiment=X field=Y``: settings that X makes for its own field must not leak into Y.

An experiment selects members of groups and overrides some of their settings. Hydra merges those overrides into
whatever member the command line selects instead. Here they are kept only where both members configure the same
class or function, that is where their nodes have the same ``_target_``. Elsewhere the selected member's file applies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hydra import compose
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


@dataclass(frozen=True)
class Member:
    """A group member selected in place of the experiment's ``own``; ``place`` is the path of its settings."""

    group: str
    name: str
    own: str
    place: str


@lru_cache(maxsize=256)
def choices_of(folder: Path, experiment: str) -> Mapping[str, str]:
    """The member of every group that an experiment selects. Inside ``overrides.composing(folder)``."""
    return compose("config", overrides=[experiment], return_hydra_config=True).hydra.runtime.choices


@lru_cache(maxsize=256)
def selected(folder: Path, words: tuple[str, ...], members: tuple[Member, ...]) -> DictConfig:
    """``merged`` of selected members alone, to be read only: half a second that runs of one process share."""
    return merged(words, members)


def foreign(folder: Path, chosen: Sequence[Override]) -> list[Member]:
    """Selections on the command line that differ from the experiment's; empty without an experiment."""
    others = [o for o in chosen if o.key_or_group != "experiment" and isinstance(o.value(), str)]
    experiment = next((o.input_line or "" for o in chosen if o.key_or_group == "experiment"), None)
    if experiment is None or not others:
        return []
    choices = choices_of(folder, experiment)
    members = [(o, choices.get(o.get_key_element())) for o in others]
    return [
        Member(o.key_or_group, str(o.value()), own, o.package or o.key_or_group)
        for o, own in members
        if own is not None and own != o.value()
    ]


def merged(words: Sequence[str], members: Sequence[Member]) -> DictConfig:
    """Hydra's ``compose`` of the overrides, without the experiment's settings for members it did not select."""
    config = compose("config", overrides=list(words))
    for member in members:
        group, place = member.group, member.place
        settings = [w.replace(f"{place}.", f"{group}.", 1) for w in words if w.lstrip("+~").startswith(f"{place}.")]
        plain = contents(compose(f"{group}/{member.name}", overrides=settings), group)
        own = contents(compose(f"{group}/{member.own}"), group)
        OmegaConf.update(config, place, kept(contents(config, place), plain, own), merge=False)
    return config


def contents(config: DictConfig, place: str) -> object:
    """The node as plain data, interpolations unresolved."""
    node = OmegaConf.select(config, place)
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node


def kept(mixed: object, member: object, own: object) -> object:
    """The part of ``mixed`` (the chosen ``member`` with the experiment's overrides of its ``own``) that applies.

    >>> kept({"_target_": "Grid", "size": 9, "hidden": 8}, {"_target_": "Grid", "size": 5}, {"_target_": "Net"})
    {'_target_': 'Grid', 'size': 5}
    >>> kept({"_target_": "T", "min": 0.3, "max": 1.0}, {"_target_": "T", "min": 0.1, "max": 1.0}, {"_target_": "T"})
    {'_target_': 'T', 'min': 0.3, 'max': 1.0}
    """
    if isinstance(member, dict):
        if not isinstance(own, dict) or member.get("_target_") != own.get("_target_"):
            return member
        if not isinstance(mixed, dict):  # a number in the place of a schedule
            return mixed
        names = [name for name in mixed if name in member or name not in own]
        return {name: kept(mixed[name], member.get(name), own.get(name)) for name in names}
    partial = isinstance(mixed, dict) and "_target_" not in mixed
    return member if partial else mixed
