"""Mistakes a user can make: one line that says what was got, what was expected and how to fix it."""


class UserError(Exception):
    """Ends the command with its message alone (no traceback) and exit code 2."""
