"""``viewer.html``: one file that shows a GLB from disk, offline (template beside this file)."""

import base64
import html
import re
from pathlib import Path

from dream3d.report.files import replacing

TEMPLATE = Path(__file__).with_name("viewer.html")


def viewer_page(glb: bytes, title: str) -> str:
    """The page with the model embedded as base64.

    The title enters as escaped HTML text and nowhere else: no script is built from it.

    Raises:
        ValueError: the bytes are no GLB.
    """
    if glb[:4] != b"glTF":
        raise ValueError(f"viewer: got a file that starts with {glb[:4]!r}, expected a binary glTF (b'glTF')")
    parts = {"title": html.escape(title, quote=True), "glb": base64.b64encode(glb).decode("ascii")}
    template = TEMPLATE.read_text(encoding="utf-8")
    # One pass, so that a title which looks like a placeholder stays a title.
    return re.sub(r"\{\{(title|glb)\}\}", lambda found: parts[found[1]], template)


def write_viewer(glb: Path, out: Path, title: str) -> None:
    """Write the viewer of one GLB file atomically.

    Raises:
        ValueError: ``glb`` is no binary glTF.
    """
    page = viewer_page(glb.read_bytes(), title)
    with replacing(out) as partial:
        partial.write_text(page, encoding="utf-8")
