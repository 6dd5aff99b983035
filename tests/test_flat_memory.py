"""Memory neither grows with the steps of a run nor with the runs of a process.

With DREAM3D_LONG=1 over 2,000 steps and 200 prompts, which takes some minutes.
"""

import gc
import os
import sys
from pathlib import Path

import pytest
import torch
from small_run import rebuild, without_pictures

from dream3d.__main__ import command
from dream3d.cli.overrides import composed
from dream3d.optimize import optimize
from dream3d.run.build import build

PAGE = 4096
SLACK = 16 * 2**20
STEPS, RUNS = (2000, 200) if os.environ.get("DREAM3D_LONG") else (300, 8)


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def tensors() -> tuple[int, int]:
    """How many there are, and their elements in all."""
    gc.collect()
    living = [item for item in gc.get_objects() if type(item) in (torch.Tensor, torch.nn.Parameter)]
    return len(living), sum(item.numel() for item in living)


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")


@needs_proc
def test_over_many_steps(tmp_path):
    small = ("size=8", "batch_size=1", "render.samples=8", "render.occupancy=4", "field.resolutions=[8]")
    setup = build(composed(rebuild(tmp_path, "steps=2000", *small)))
    seen = {}
    for step in optimize(setup, 0, STEPS):
        if step.step in (100, STEPS - 1):
            seen[step.step] = tensors(), resident()
    (before, then), (after, now) = seen[100], seen[STEPS - 1]
    assert after[0] == before[0] and abs(after[1] - before[1]) < 65536  # bytes: packed samples vary by a few
    sys.stdout.write(f"step 100: {then / 2**20:.1f} MiB, step {STEPS}: {now / 2**20:.1f} MiB")
    assert now - then < SLACK


@needs_proc
def test_over_many_runs(tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    seen = []
    for i in range(RUNS):
        assert command(rebuild(tmp_path, "steps=1", f"prompt=a box, number {i}", f"out={tmp_path / str(i)}")) == 0
        seen.append((tensors(), resident()))
    sys.stdout.write(", ".join(f"run {i}: {seen[i][1] / 2**20:.1f} MiB" for i in (3, RUNS // 2, RUNS - 1)))
    assert seen[-1][0] == seen[3][0]
    assert seen[-1][1] - seen[3][1] < SLACK
