"""Reads the configuration of a saved run without trusting it: only plain values are accepted."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dream3d.errors import UserError, first
from dream3d.run.config import Config

ROOMS = (
    "cameras", "distill", "editing", "fields", "mesh", "noise", "priors", "prompts", "reference", "regularize",
    "render", "schedule",
)  # fmt: skip
"""Packages of dream3d that a saved configuration's ``_target_`` may refer to, besides torch.optim."""


def foreign(tree: object) -> Iterator[str]:
    """Every ``_target_`` outside those packages: a run folder may come from anyone, and loading it must not call
    arbitrary code.

    >>> list(foreign({"a": [{"_target_": "os.system"}, {"_target_": "dream3d.cameras.Orbit"}]}))
    ['os.system']
    """
    if isinstance(tree, dict):
        target = tree.get("_target_")
        package, *path = str(target).split(".")
        module = Path(__file__).parents[1].joinpath(*path[:-1]).with_suffix(".py")
        ours = package == "dream3d" and path[:1] and path[0] in ROOMS and module.is_file()
        if target is not None and not ours and re.fullmatch(r"torch\.optim\.\w+", str(target)) is None:
            yield str(target)
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from foreign(item)


def saved_settings(folder: Path, key: str) -> DictConfig:
    """config.yaml of a run. Raises UserError, about ``key``, if it is missing or unreadable."""
    file = folder / "config.yaml"
    if not file.is_file():
        raise UserError(f"{key}: got '{folder}', expected a run folder with config.yaml and checkpoint.pt")
    try:
        saved = OmegaConf.load(file)
        if isinstance(saved, DictConfig) and "prompt" in saved:
            if strange := next(foreign(OmegaConf.to_container(saved, resolve=True)), None):
                raise UserError(
                    f"{key}: {file} refers to code outside dream3d ({strange}), which a saved run may not do"
                )
            return cast(DictConfig, OmegaConf.merge(OmegaConf.structured(Config), saved))
    except (OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        raise UserError(f"{key}: {file} cannot be read ({first(error)}); restart the run") from error
    raise UserError(f"{key}: {file} is not the configuration of a run; restart the run")
