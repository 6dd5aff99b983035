"""Save and load what is handed over: tensors and plain data only, so that loading cannot run code."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from dream3d.errors import UserError

VERSION = 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Write atomically: a killed run leaves the previous checkpoint whole."""
    partial = path.with_suffix(".partial")
    torch.save({"version": VERSION, **content}, partial)
    os.replace(partial, path)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint with ``weights_only=True``.

    Raises:
        UserError: there is none, it is damaged, or it holds anything but tensors and plain data.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; give the folder of a run that has a checkpoint.pt")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds something else than tensors and plain data, so it was not loaded; "
            "use a checkpoint that dream3d wrote"
        ) from error
    except (RuntimeError, EOFError, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise UserError(f"{path} is damaged or cut short; start the run again without resume=") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise UserError(f"{path}: got another format, expected version {VERSION}; start the run again")
    return content
