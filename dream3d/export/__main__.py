"""``python -m dream3d.export``: the old spelling of ``python -m dream3d export``."""

import sys

from dream3d.cli.export import command

if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
