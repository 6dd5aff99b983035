"""Runs that are killed (SIGKILL) at a chosen moment, each in a process of its own, forked from one that has imported
all there is to import and has not started a thread: a new life costs a second and no import."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dream3d.cli.overrides import composed
from dream3d.priors import renders  # noqa: F401  (what the small runs import on the way)
from dream3d.run import initial_mesh, stages

ROOT = Path(__file__).parent.parent
NAMES = ("coarse", *stages.STAGES)
FIRST = 0.02


def life(words: Sequence[str], steps: int, after: int, wait: float) -> None:
    """The run of these words, killed ``wait`` times the length of its last step after it has made ``after`` steps,
    those of all stages (of ``steps`` each) together; a negative ``wait`` is in seconds. Before the first step of a life
    there is loading, so its own length counts as ``FIRST`` seconds."""
    last: float | None = None

    def on_step(progress: stages.Progress) -> None:
        nonlocal last
        now = time.perf_counter()
        if NAMES.index(progress.stage) * steps + progress.done >= after:
            delay = -wait if wait < 0 else wait * (FIRST if last is None else now - last)
            threading.Thread(target=killed_after, args=(delay,), daemon=True).start()
        last = now

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        stages.completed(composed(words), words, console=Console(file=nowhere), on_step=on_step)


def killed_after(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def serve() -> None:
    """A life a line of stdin; answers its exit code (-9: it was killed)."""
    assert initial_mesh and threading.active_count() == 1
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            life(**json.loads(line))
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


class Lives:
    """The process that ``serve``s, from the outside."""

    def __enter__(self) -> "Lives":
        place = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, __file__], env=place, text=True, stdin=pipe, stdout=pipe)
        return self

    def __call__(self, words: Sequence[str], steps: int, after: int, wait: float) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(
            json.dumps({"words": list(words), "steps": steps, "after": after, "wait": wait}) + "\n"
        )
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


if __name__ == "__main__":
    serve()
