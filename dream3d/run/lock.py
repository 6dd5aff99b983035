"""One run a folder at a time: a file lock that the operating system releases however the process ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from dream3d.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises UserError if another run holds it. Does nothing on Windows and on file systems
    without locks."""
    file = taken(folder)
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError):
                (folder / NAME).unlink()
            file.close()


def taken(folder: Path) -> TextIO | None:
    """The open lock file, containing our process id; None if locks are not supported."""
    while fcntl is not None:
        file = (folder / NAME).open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(folder / NAME).st_ino != os.fstat(file.fileno()).st_ino:
                raise FileNotFoundError
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise UserError(
                f"out: '{folder}' is in use by another run (process {holder or 'unknown'}); wait for it or stop it, "
                "or choose another folder"
            ) from error
        except FileNotFoundError:  # its holder ended and removed it in between
            file.close()
            continue
        except OSError:  # a file system without locks
            file.close()
            return None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file
    return None


def refuse_if_held(folder: Path) -> None:
    """Raise UserError if another run holds the folder's lock; leaves no file behind."""
    if (folder / NAME).is_file():
        with locked(folder):
            pass


def may_be_held(folder: Path) -> bool:
    """False where no run goes on in the folder: one that ends takes its lock away, one that was killed leaves it.
    Takes no lock itself, which would be in the way of a run that begins."""
    return fcntl is None or (folder / NAME).is_file()
