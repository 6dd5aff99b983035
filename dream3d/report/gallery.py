"""``index.html`` and ``runs.csv`` of many runs below one folder (template beside this file)."""

import csv
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from dream3d.report.files import replacing

TEMPLATE = Path(__file__).with_name("gallery.html")
PICTURES = ("turntable.gif", "preview.png")


def write_gallery(root: Path, runs: Sequence[Mapping[str, str]]) -> Path:
    """Page and table of ``runs``: plain text under prompt, settings, folder (a name below ``root``), seconds,
    warnings and error. Returns the page, which opens from disk, offline."""
    root.mkdir(parents=True, exist_ok=True)  # where all runs so far failed, there is none yet
    with replacing(root / "runs.csv") as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(runs[0]))
        table.writeheader()
        table.writerows(runs)
    page = TEMPLATE.read_text(encoding="utf-8").replace("{{cards}}", "\n".join(card(root, run) for run in runs))
    with replacing(root / "index.html") as partial:
        partial.write_text(page, encoding="utf-8")
    return root / "index.html"


def card(root: Path, run: Mapping[str, str]) -> str:
    """One run as HTML: its picture leads to its viewer; all text is escaped, all links are quoted."""
    folder = quote(run["folder"])
    picture = next((name for name in PICTURES if (root / run["folder"] / name).is_file()), None)
    shown = f'<img src="{folder}/{picture}" alt="" loading="lazy">' if picture else "<i>no picture</i>"
    if (root / run["folder"] / "viewer.html").is_file():
        shown = f'<a href="{folder}/viewer.html">{shown}</a>'
    files = [name for name in ("mesh.glb", "mesh.obj", "preview.png") if (root / run["folder"] / name).is_file()]
    links = " ".join(f'<a href="{folder}/{name}">{name}</a>' for name in files)
    said = {
        "settings": run["settings"],
        "time": run["seconds"] and f"{run['seconds']} s",
        "warning": run["warnings"],
        "error": run["error"],
    }
    lines = "".join(f'<p class="{kind}">{html.escape(text)}</p>' for kind, text in said.items() if text)
    return f"<figure>{shown}<figcaption><b>{html.escape(run['prompt'])}</b>{lines}<p>{links}</p></figcaption></figure>"
