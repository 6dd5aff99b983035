"""Stopping a run from outside its process: by a file in its folder."""

from pathlib import Path

STOP = "stop"
"""A file of this name in the run folder stops the run at the end of its step, as Ctrl-C does."""


def stop_asked(folder: Path) -> bool:
    """Whether there is a ``STOP`` file; it is removed, so that the run can be resumed."""
    file = folder / STOP
    if not file.exists():
        return False
    file.unlink(missing_ok=True)
    return True
