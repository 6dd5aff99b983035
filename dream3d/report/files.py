"""Atomic file writes: neither a reader nor a killed run ever sees a partial file; and reading what may be damaged."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, with its suffix, that takes its place on a clean exit.

    On an exception the temporary file is removed and ``path`` stays as it was.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replacing(file) as partial:
    ...     _ = partial.write_text("whole")
    >>> file.read_text()
    'whole'
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


Facts = dict[str, Any]
"""What a JSON file says."""


def facts_of(path: Path) -> Facts:
    """The contents of a JSON file such as ``run.json``; {} if missing or damaged.

    >>> facts_of(Path("nowhere/run.json"))
    {}
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
