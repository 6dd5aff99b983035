"""What the commands do with errors: one line on stderr and an exit code."""

import os
import sys
import traceback
from collections.abc import Callable

from dream3d.errors import UserError

INTERRUPTED = 130  # 128 + SIGINT, what shells expect


def reported(action: Callable[[], object]) -> int:
    """Do it. Returns the exit code: 0; 2 after one line on stderr; 130 after Ctrl-C."""
    try:
        action()
    except (UserError, OSError) as error:
        return failed(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def failed(error: UserError | OSError) -> int:
    """One line on stderr. With HYDRA_FULL_ERROR=1, Hydra's own switch, the traceback stands before it."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        traceback.print_exception(error)
    text = str(error)
    if isinstance(error, OSError):
        text = f"{error.filename or 'file'}: {error.strerror or error}; check the path and the space left there"
    sys.stderr.write(f"dream3d: error: {' '.join(text.split())}\n")
    return 2
