"""``python -m dream3d.watch``, the same as ``python -m dream3d watch``."""

import sys

from dream3d.cli.watch import command

if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
