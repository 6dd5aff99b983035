"""``python -m dream3d``; all of it is in ``dream3d/cli/main.py``."""

from dream3d.cli.main import command, main

__all__ = ("command", "main")

if __name__ == "__main__":
    main()
