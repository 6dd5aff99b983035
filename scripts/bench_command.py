"""The command line from outside: how soon it is there, and what a whole run takes."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_timer import seconds


def run_python(*words: str) -> None:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed: {done.stderr.strip()}")


def imports(rounds: int) -> dict[str, float]:
    """Seconds (the least of some rounds, Python's own start included)."""
    jobs = {
        "python": "pass",
        "command line": "import dream3d.cli.overrides",
        "everything": "import dream3d.run.stages",
    }
    return {
        name: min(seconds(lambda _, code=code: run_python("-c", code), i) for i in range(rounds))
        for name, code in jobs.items()
    }


def whole_run(words: Sequence[str]) -> dict[str, Any]:
    """The command in its own process: seconds a stage, all in all, and MiB at most."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = ["-m", "dream3d", *words, f"out={out}"]
        total = seconds(lambda _: run_python(*command), 0)
        facts = json.loads((out / "run.json").read_text())
    kept = {key: facts[key] for key in ("stages", "peak_memory", "peak_gpu_memory", "accelerators", "warnings")}
    return {"words": list(words), "seconds": total, **kept}
