"""``dream3d watch [folder ...] [port=8765]``: a live page of running and finished runs.

    folder       a run, or a folder with runs below it; outputs/ where none is given
    port=8765    on the loopback interface; if left out and taken, any free port

Progress, previews, curves, log lines, an interactive mesh, and a button that saves a checkpoint and stops a run.
The address contains a secret token and is reachable from this machine only; from another one:
    ssh -L 8765:127.0.0.1:8765 <host>     then open the same address
A run started with live=true serves its own page and extracts a small mesh with each preview.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from dream3d.cli.commands import HELP_FLAGS, written
from dream3d.cli.errors import reported
from dream3d.errors import UserError


def parsed(words: Sequence[str]) -> tuple[list[Path], int | None]:
    """Parse folders and port. Raises UserError."""
    port, roots = None, []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key == "port":
            if not value.isdecimal() or not 0 < int(value) < 65536:
                raise UserError(f"port: got '{value}', expected a number from 1 to 65535")
            port = int(value)
        elif word.startswith("-") or not Path(word).expanduser().is_dir():
            raise UserError(f"watch: got '{word}', expected a folder with runs, or port=8765")
        else:
            roots.append(Path(word).expanduser())
    return roots or [Path("outputs")], port


def command(words: Sequence[str]) -> int:
    """Serve until Ctrl-C. Returns the exit code."""
    if HELP_FLAGS.intersection(words):
        sys.stdout.write(written(__doc__))
        return 0

    def action() -> None:
        roots, port = parsed(words)
        from dream3d.watch.server import opened

        try:
            server = opened(roots, port)
        except OSError as error:
            raise UserError(f"port: got {port}, which cannot be used ({error.strerror}); leave port= out") from error
        sys.stdout.write(f"watching {', '.join(map(str, roots))}: {server.url}\nCtrl-C stops the page, not the runs\n")
        sys.stdout.flush()
        with server:
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                sys.stdout.write("\n")

    return reported(action)


@contextmanager
def shown_live(settings: DictConfig) -> Iterator[None]:
    """With ``live=true``, serve a page of the run (and of its siblings) until it ends; otherwise do nothing."""
    if not settings.live:
        yield
        return
    from dream3d.watch.server import serving

    root = Path(settings.resume or settings.out or "outputs").expanduser()
    with serving([root]) as server:
        sys.stdout.write(f"live view: {server.url}\n")
        sys.stdout.flush()
        yield
