"""The old place of ``dream3d export`` (``dream3d/cli/export.py``); goes with the next version."""
