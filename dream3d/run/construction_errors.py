"""Turns errors of constructors and ``load_state_dict`` into one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import InstantiationException

from dream3d.errors import UserError


@contextmanager
def constructing() -> Iterator[None]:
    """Turn errors of constructors into UserErrors.

    A ValueError's message is taken as written for users. For anything else the type is named as well, and the
    setting if Hydra knows it.
    """
    try:
        yield
    except (InstantiationException, ValueError, TypeError, AttributeError, RuntimeError) as error:
        cause: BaseException = error
        while isinstance(cause, InstantiationException) and cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, UserError | ValueError):
            raise UserError(str(cause)) from error
        where = re.search(r"full_key: (\S+)", str(error))
        raise UserError(
            f"{where[1] if where else 'setup'}: {type(cause).__name__}: {cause}; "
            "check the values on the command line (HYDRA_FULL_ERROR=1 shows the traceback)"
        ) from error


@contextmanager
def restoring() -> Iterator[None]:
    """Turn the error of a state that belongs to another configuration into a UserError."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(
            f"the checkpoint does not match this configuration ({reason}); use the folder unchanged, as the run left it"
        ) from error
