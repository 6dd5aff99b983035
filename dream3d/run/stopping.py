"""How a run is stopped from outside its process: by a file in its folder."""

from pathlib import Path

STOP = "stop"
"""A file of this name in a run's folder stops the run at the end of its step, as Ctrl-C does."""


def stop_asked(folder: Path) -> bool:
    """Is there a ``STOP`` file? It is taken away, so that the run can be resumed."""
    file = folder / STOP
    if not file.exists():
        return False
    file.unlink(missing_ok=True)
    return True
