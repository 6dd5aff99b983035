"""Claims ensure that each run is handled by one worker at a time, through files on a shared disk.

A claim is a file created with "fail if it exists", which is atomic on local disks and NFS; its holder touches it
as a heartbeat.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dream3d.report.files import facts_of

STALE = 300.0
"""Seconds without a heartbeat after which a claim of another machine counts as abandoned."""
BEAT = 20.0
"""Seconds between heartbeats."""


@contextmanager
def claimed(folder: Path, stale: float | int = STALE, beat: float = BEAT) -> Iterator[bool]:
    """Hold the folder's claim during the block; yields False if another worker holds it.

    A claim whose process has ended (on this machine), or without a heartbeat for ``stale`` seconds, is taken over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "claim.json"
    if not take(file) and not (abandoned(file, stale) and take_over(file, stale)):
        yield False
        return
    ended = threading.Event()
    alive = threading.Thread(target=keep_alive, args=(file, ended, beat), daemon=True)
    alive.start()
    try:
        yield True
    finally:
        ended.set()
        alive.join()
        file.unlink(missing_ok=True)


def take(file: Path) -> bool:
    """Create the claim; False if there is one."""
    try:
        with file.open("x", encoding="utf-8") as stream:
            json.dump({"host": socket.gethostname(), "pid": os.getpid()}, stream)
    except FileExistsError:
        return False
    return True


def abandoned(file: Path, stale: float | int) -> bool:
    """Whether the holder of a claim is gone."""
    try:
        age = time.time() - file.stat().st_mtime
    except FileNotFoundError:  # given up this very moment
        return False
    holder = facts_of(file)  # nothing while it is being written, or where that was never finished
    if holder.get("host") == socket.gethostname() and not lives(int(holder.get("pid", 0))):
        return True
    return age > stale


def lives(pid: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # owned by another user
        return True
    return pid > 0


def take_over(file: Path, stale: float | int) -> bool:
    """Replace an abandoned claim by our own; False if another worker was faster."""
    aside = file.with_name(f".{file.stem}.{uuid.uuid4().hex}.json")
    try:
        os.rename(file, aside)
    except FileNotFoundError:
        return False
    if not abandoned(aside, stale):  # another worker took it over between check and rename: give it back
        with suppress(FileExistsError):
            os.link(aside, file)
        aside.unlink()
        return False
    aside.unlink()
    return take(file)


def keep_alive(file: Path, ended: threading.Event, beat: float) -> None:
    """Touch the claim until the work has ended."""
    while not ended.wait(beat):
        with suppress(OSError):
            os.utime(file)
