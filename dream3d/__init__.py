"""Text to textured 3D meshes by score distillation.

``from dream3d import generate`` is the whole pipeline as one function (``dream3d/api/generate.py``). It is imported
at first use, so that ``import dream3d`` stays cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dream3d.api.generate import Result, generate

__version__ = "0.2.0"
__all__ = ("Result", "__version__", "generate")


def __getattr__(name: str) -> Any:
    """``generate`` and ``Result`` (PEP 562)."""
    if name not in ("generate", "Result"):
        raise AttributeError(f"module 'dream3d' has no attribute '{name}'")
    from dream3d.api import generate as api

    return getattr(api, name)
