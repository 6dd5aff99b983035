"""``guidance=[{prior: sd21, loss: csd, weight: 0.1}]``: additional guidance terms, by name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dream3d.errors import UserError
from dream3d.run.config import Tree

PLACES = {"path": "prior.path", "scale": "distill.loss.scale", "weight": "weight", "batch_size": "batch_size",
          "size": "size"}  # fmt: skip
KEYS = ("prior", "loss", "name", *PLACES)


def spelled_out(items: Sequence[Any], member: Callable[[str, str], DictConfig]) -> Tree:
    """The list as the settings that it stands for, by name: ``prior`` and ``loss`` are members of ``conf/prior`` and
    ``conf/distill``, ``path`` and ``scale`` settings of theirs.

    Raises:
        UserError: an item that is no mapping, has other keys, or names nothing.
    """
    found: Tree = {}
    for number, item in enumerate(items, 1):
        checked(item)
        settings = OmegaConf.create({})
        for key, group in (("prior", "prior"), ("loss", "distill")):
            if key in item:
                settings[group] = member(group, str(item[key]))
        for key in PLACES.keys() & item.keys():
            OmegaConf.update(settings, PLACES[key], float(item[key]) if key in ("scale", "weight") else item[key])
        name = str(item.get("name", item.get("prior", item.get("loss"))))
        found[name if name not in found else f"{name}_{number}"] = OmegaConf.to_container(settings, resolve=False)
    return found


def checked(item: Any) -> None:
    """Raise UserError for an item that cannot be understood."""
    keys = set(item) if isinstance(item, Mapping) else set()
    if not keys & {"prior", "loss"} or keys - set(KEYS):
        raise UserError(
            f"guidance: got {dict(item) if keys else item}, expected items like {{prior: sd21, loss: sds, weight: 1}} "
            f"with some of: {', '.join(KEYS)}"
        )
    for key, owner in (("path", "prior"), ("scale", "loss")):
        if key in keys and owner not in keys:
            raise UserError(f"guidance: got {key}={item[key]}, expected the {owner} that it belongs to; add {owner}:")
