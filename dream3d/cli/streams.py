"""Standard output and error that outlive whoever reads them: a run does not end because its terminal was closed."""

import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast


class Enduring:
    """A stream whose reader may go away (a terminal, ``| head``): what is written then is lost, and nothing else.

    From the first failed write on the file behind it is the null device, so that nothing fails at the end either.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._lost()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._lost()

    def _lost(self) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)
        with suppress(OSError):  # what is left in its buffer
            self._stream.flush()


def endure() -> None:
    """Standard output and error from now on; the null device where they are closed already (``>&-``)."""
    sys.stdout, sys.stderr = (
        cast(TextIO, Enduring(stream or open(os.devnull, "w", encoding="utf-8"))) for stream in (sys.stdout, sys.stderr)
    )
