"""``edit=outputs/<run>``: the settings that an edit takes from the run it starts from. No torch here."""

from collections.abc import Collection
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from dream3d.errors import UserError
from dream3d.run.config import MESHES, given_file
from dream3d.run.saved import saved_settings


def inherited(config: DictConfig, given: Collection[str]) -> DictConfig:
    """The configuration of an edit with its source's prompt and, of ``edit.inherit``, what is not ``given``
    on the command line; one without ``edit.path``, or of a mesh file, as it is.

    Raises:
        UserError: no such run or mesh, a run that has no field of its own, or another field asked for.
    """
    path = config.edit.get("path")
    if path is None:
        return config
    place = Path(str(path)).expanduser().resolve()
    config.edit.path = str(place)  # found again from another folder
    if place.is_file() and place.suffix.lower() in MESHES:
        return config
    if not place.is_dir():
        raise UserError(f"edit: got '{path}', expected a run's folder or a file ending in {', '.join(MESHES)}")
    saved = saved_settings(place, "edit")
    if given_file(saved) is not None:
        raise UserError(f"edit: {path} was made from a mesh and has no field; use edit={path}/mesh.glb source=...")
    if not (place / "checkpoint.pt").is_file():
        raise UserError(f"edit: {path} has no checkpoint.pt; use edit={path}/mesh.glb source=...")
    if "field" in given:
        raise UserError("field: an edit goes on with its source's field; leave field= out")
    for key in config.edit.inherit:
        if key not in given and (key == "field" or saved.get(key)):
            OmegaConf.update(config, key, saved[key], merge=False)
    if config.source is None:
        config.source = saved.prompt
    return config
