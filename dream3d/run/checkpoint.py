"""Saves and loads checkpoints: tensors and plain data only, so that loading cannot run code, with a checksum for
each tensor (the CRC-32 of the zip format), so that corruption is detected."""

import os
import pickle
import zipfile
from pathlib import Path

import torch

from dream3d.errors import UserError
from dream3d.report.files import replacing
from dream3d.run.config import Tree

VERSION = 1


def save(path: Path, content: Tree) -> None:
    """Write a temporary file, verify it, and only then replace the previous checkpoint.

    Raises:
        UserError: it cannot be written (disk full, folder removed), or does not read back as written. The
            temporary file is removed and the previous checkpoint stays intact.
    """
    try:
        with replacing(path) as partial:
            with partial.open("wb") as file:  # a path would be in the file, and its bytes others each time
                torch.save({"version": VERSION, **content}, file)
                file.flush()
                os.fsync(file.fileno())
            if not whole(partial):
                raise OSError("it did not read back as written")
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:160]
        kept = "the previous checkpoint is intact" if path.is_file() else "there is no previous checkpoint"
        raise UserError(
            f"{path} cannot be written ({reason}); {kept}; free disk space or fix the folder, then rerun with "
            f"resume={path.parent}"
        ) from error


def whole(path: Path) -> bool:
    """Whether every tensor in the file passes its checksum."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # a damaged file may raise anything
        return False


def load(path: Path) -> Tree:
    """Read a checkpoint with ``weights_only=True``.

    Raises:
        UserError: it is missing or damaged, or contains anything but tensors and plain data.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; use the folder of a run with a checkpoint.pt")
    if not whole(path):
        raise UserError(f"{path} is damaged or truncated; restart the run without resume=")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} contains objects other than tensors and plain data, so it was not loaded; "
            "use a checkpoint written by dream3d"
        ) from error
    except Exception as error:
        raise UserError(f"{path} is damaged or truncated; restart the run without resume=") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise UserError(f"{path}: got another format, expected version {VERSION}; restart the run")
    return content
