"""A reader that goes away takes nothing with it."""

import os
import sys
from contextlib import contextmanager

import pytest
from rich.console import Console
from small_run import rebuild, without_pictures

from dream3d.cli.errors import legible, reported
from dream3d.cli.main import command
from dream3d.cli.streams import Enduring, endure


@contextmanager
def forsaken():
    """Standard output is a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    stream = Enduring(open(writer, "w", encoding="latin-1", buffering=1))
    os.close(reader)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        yield stream
    stream.close()


def test_what_is_written_is_lost_and_nothing_fails():
    with forsaken() as stream:
        written_to(stream)


def written_to(stream):
    legible()
    for text in ("x" * 100_000, "\n", "\u72ac\n"):
        assert stream.write(text) >= 0
        stream.flush()
    Console().print("[b]more[/b]")
    assert not stream.isatty() and stream.encoding == "latin-1" and stream.errors == "replace"


def test_a_run_goes_on(tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    with forsaken():
        assert command(rebuild(tmp_path, "steps=3", f"out={tmp_path / 'run'}")) == 0
    assert (tmp_path / "run" / "mesh.glb").is_file()


def test_streams_that_are_closed_from_the_beginning(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    endure()

    def failing() -> None:
        sys.stdout.write("a")
        raise OSError(5, "Input/output error")

    assert reported(failing) == 2
