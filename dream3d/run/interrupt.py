"""Stop signals: Ctrl-C, SIGTERM (Slurm, docker stop, kill) and SIGHUP (a closed terminal).

The first is handled at the end of the step, so that a consistent state is saved; a second one stops immediately.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dream3d.errors import Stopped

ASKS = tuple(s for s in signal.Signals if s.name in ("SIGTERM", "SIGHUP"))  # no SIGHUP on Windows


def stop(number: int, _frame: object) -> None:
    """Handler for SIGTERM and SIGHUP outside the training loop: raises, as Ctrl-C does."""
    raise Stopped(number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Context in which SIGTERM and SIGHUP raise ``Stopped``, as Ctrl-C raises KeyboardInterrupt, instead of ending
    the process. Signals that are ignored (nohup) or have another handler are left alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in ASKS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def deferred() -> Iterator[Callable[[], int]]:
    """Context in which a first signal is only recorded: ``asked()`` returns its number, 0 before. A second one
    stops immediately.

    Does nothing outside the main thread, nor for signals that are ignored or have another handler.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ASKS)}
    ours = {number: old for number, old in before.items() if old in (signal.default_int_handler, stop)}

    def note(number: int, _frame: object) -> None:
        came.append(number)
        restore()

    def restore() -> None:
        for number, old in ours.items():
            signal.signal(number, old)

    for number in ours:
        signal.signal(number, note)
    try:
        yield lambda: came[0] if came else 0
    finally:
        restore()
