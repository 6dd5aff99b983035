"""One run a folder at a time: a lock that the system takes back when the process ends, however it ends."""

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
    """Hold the folder's lock. Raises UserError where another run holds it. On file systems without locks, and on
    Windows, nothing is held."""
    file = taken(folder)
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError):
                (folder / NAME).unlink()
            file.close()


def taken(folder: Path) -> TextIO | None:
    """The lock's open file, with our process id in it; None where there are no locks."""
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
        except FileNotFoundError:  # its holder ended, and took it away, between the two lines
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
    """Raise UserError where another run holds the folder's lock; leaves nothing behind."""
    if (folder / NAME).is_file():
        with locked(folder):
            pass


def may_be_held(folder: Path) -> bool:
    """False where no run goes on in the folder: one that ends takes its lock away, one that was killed leaves it.
    Takes no lock itself, which would be in the way of a run that begins."""
    return fcntl is None or (folder / NAME).is_file()
