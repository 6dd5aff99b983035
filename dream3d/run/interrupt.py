"""Signals that ask to stop: Ctrl-C, SIGTERM (Slurm, docker stop, kill) and SIGHUP (a closed terminal).

They wait for the end of a step, so that what is saved then is whole; a second one does not wait.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dream3d.errors import Stopped

ASKS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))  # no SIGHUP on Windows


def stop(number: int, _frame: object) -> None:
    """What SIGTERM and SIGHUP do where nothing waits for the end of a step: what Ctrl-C does."""
    raise Stopped(number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise ``Stopped``, as Ctrl-C raises KeyboardInterrupt, instead of ending the
    process at once. Those that are ignored (nohup) or handled otherwise stay so."""
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
    """Inside, a first signal is only noted: ``asked()`` is its number from then on, 0 before. A second one stops
    at once.

    Elsewhere than in the main thread nothing changes, nor for signals that are ignored or handled otherwise.
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
