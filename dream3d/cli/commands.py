"""The subcommands: ``dream3d list``, ``dream3d show outputs/...``.

Each is named by the import path of its function, because some are defined in packages above this one. A command
takes the remaining arguments, returns the exit code, and is imported only when it is called.
"""

import pkgutil
from collections.abc import Callable, Sequence

COMMANDS = {
    "list": "dream3d.cli.listing:command",
    "show": "dream3d.cli.show:command",
    "export": "dream3d.cli.export:command",
    "compare": "dream3d.compare.__main__:command",
    "watch": "dream3d.cli.watch:command",
    "priors": "dream3d.priors.__main__:command",
    "doctor": "dream3d.cli.doctor:command",
}
HELP_FLAGS = frozenset(("-h", "--help"))


def written(doc: str | None) -> str:
    """A module's docstring as ``--help`` prints it.

    >>> written("``dream3d doctor``: what works.")
    'dream3d doctor: what works.\\n'
    """
    return (doc or "").replace("``", "").rstrip() + "\n"


def command_of(name: str) -> Callable[[Sequence[str]], int]:
    """The function of one of ``COMMANDS``."""
    return pkgutil.resolve_name(COMMANDS[name])
