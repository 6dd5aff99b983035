"""Save and load what is handed over: tensors and plain data only, so that loading cannot run code; and with a
checksum a tensor (the CRC-32 of the zip format), so that a flipped bit is found."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from dream3d.errors import UserError
from dream3d.report.files import replacing

VERSION = 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Write, read back, and only then take the place of the checkpoint before.

    Raises:
        UserError: it cannot be written (a full disk, a folder that is gone), or is not read back as it was
            written. Nothing is left of it; the checkpoint before is whole.
    """
    try:
        with replacing(path) as partial:
            torch.save({"version": VERSION, **content}, partial)
            if not whole(partial):
                raise OSError("it was not read back as it was written")
            with partial.open("rb") as file:
                os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:160]
        kept = "the checkpoint before it is whole" if path.is_file() else "there is none before it"
        raise UserError(
            f"{path} cannot be written ({reason}); {kept}; make room there or mend the folder, then say "
            f"resume={path.parent}"
        ) from error


def whole(path: Path) -> bool:
    """Is every byte of every tensor the one that was written?"""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # whatever a reader of a damaged file comes upon
        return False


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint with ``weights_only=True``.

    Raises:
        UserError: there is none, it is damaged, or it holds anything but tensors and plain data.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; give the folder of a run that has a checkpoint.pt")
    if not whole(path):
        raise UserError(f"{path} is damaged or cut short; start the run again without resume=")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds something else than tensors and plain data, so it was not loaded; "
            "use a checkpoint that dream3d wrote"
        ) from error
    except Exception as error:
        raise UserError(f"{path} is damaged or cut short; start the run again without resume=") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise UserError(f"{path}: got another format, expected version {VERSION}; start the run again")
    return content
