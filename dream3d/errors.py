"""User errors: one line with what was given, what was expected and how to fix it."""


class UserError(Exception):
    """Ends the command with its message alone (no traceback) and exit code 2."""


class Stopped(KeyboardInterrupt):
    """A stop signal: ``code`` is the exit code, by default 128 plus its number."""

    def __init__(self, number: int, code: int | None = None) -> None:
        super().__init__()
        self.number = number
        self.code = 128 + number if code is None else code


def first(error: Exception) -> str:
    """The first sentence of an error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
