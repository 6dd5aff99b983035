"""SHA-256 of what a run exports, so that a file damaged on its way to someone is found (``sha256sum`` agrees)."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

EXPORTED = ("mesh.*", "mesh-lod*", "turntable.*", "viewer.html")
"""Of a run's folder and those of its other particles; the rest are logs, settings and looks on the way."""


def sha256(file: Path) -> str:
    """The checksum in hex.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a"
    >>> _ = file.write_bytes(b"")
    >>> sha256(file)[:16]
    'e3b0c44298fc1c14'
    """
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def checksums(folder: Path, patterns: Sequence[str] = EXPORTED) -> dict[str, str]:
    """Path in the folder -> checksum of the files matching ``patterns`` there and in ``particle-*``."""
    places = (folder, *sorted(folder.glob("particle-*")))
    files = [file for place in places for pattern in patterns for file in sorted(place.glob(pattern))]
    return {file.relative_to(folder).as_posix(): sha256(file) for file in files if file.is_file()}


def altered(folder: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Path -> what is wrong with it, of the files in ``known`` that are missing or modified."""
    wrong = {}
    for name, expected in known.items():
        file = folder / name
        if not file.is_file():
            wrong[name] = "is gone"
        elif sha256(file) != expected:
            wrong[name] = "is not as it was written (its SHA-256 differs)"
    return wrong
