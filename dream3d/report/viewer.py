"""``viewer.html``: one file that shows a GLB from disk, offline (template beside this file)."""

import base64
import html
import re
from pathlib import Path

from dream3d.report.files import replacing

TEMPLATE = Path(__file__).with_name("viewer.html")


def viewer_page(glb: bytes, title: str, before: bytes = b"") -> str:
    """The page with the model embedded as base64; with the one ``before`` refinement, a slider between the two.

    The title enters as escaped HTML text and nowhere else: no script is built from it.

    Raises:
        ValueError: the bytes are no GLB.
    """
    for model in (glb, before) if before else (glb,):
        if model[:4] != b"glTF":
            raise ValueError(f"viewer: got a file that starts with {model[:4]!r}, expected a binary glTF (b'glTF')")
    parts = {"glb": glb, "before": before}
    parts = {name: base64.b64encode(model).decode("ascii") for name, model in parts.items()}
    parts["title"] = html.escape(title, quote=True)
    template = TEMPLATE.read_text(encoding="utf-8")
    # One pass, so that a title which looks like a placeholder stays a title.
    return re.sub(r"\{\{(title|glb|before)\}\}", lambda found: parts[found[1]], template)


def write_viewer(glb: Path, out: Path, title: str, before: Path | None = None) -> None:
    """Write the viewer of one GLB file atomically; of ``before`` too, where there is such a file.

    Raises:
        ValueError: ``glb`` is no binary glTF.
    """
    page = viewer_page(glb.read_bytes(), title, before.read_bytes() if before and before.is_file() else b"")
    with replacing(out) as partial:
        partial.write_text(page, encoding="utf-8")
