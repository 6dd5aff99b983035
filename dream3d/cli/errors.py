"""Error handling of the commands: one line on stderr and an exit code."""

import io
import os
import sys
import traceback
from collections.abc import Callable

from dream3d.cli.streams import Enduring
from dream3d.errors import Stopped, UserError
from dream3d.run.interrupt import stoppable

INTERRUPTED = 130  # 128 + SIGINT, what shells expect


def reported(action: Callable[[], object]) -> int:
    """Run the action. Returns the exit code: 0; 2 after one line on stderr; 130 after Ctrl-C, 143 after SIGTERM, 129
    after SIGHUP, or the scheduler's ``requeue_code`` in place of the last two."""
    legible()
    try:
        with stoppable():
            action()
    except (UserError, OSError) as error:
        return failed(error)
    except Stopped as stopped:
        return stopped.code
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def legible() -> None:
    """On a console that is not UTF-8, print characters it cannot encode as question marks instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper | Enduring) and "utf" not in stream.encoding.lower():
            stream.reconfigure(errors="replace")


def failed(error: UserError | OSError) -> int:
    """One line on stderr; with HYDRA_FULL_ERROR=1, Hydra's own switch, after the traceback."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        traceback.print_exception(error)
    text = str(error)
    if isinstance(error, OSError):
        text = f"{error.filename or 'file'}: {error.strerror or error}; check the path and the free disk space"
    sys.stderr.write(f"dream3d: error: {' '.join(text.split())}\n")
    return 2
