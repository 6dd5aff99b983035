"""Text to textured 3D meshes by score distillation.

``from dream3d import generate`` is the whole of it in Python (``dream3d/run/generate.py``); it is imported
at its first use, so that ``import dream3d`` costs nothing.
"""

__version__ = "0.2.0"
