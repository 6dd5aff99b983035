"""TensorBoard and Weights & Biases get what metrics.jsonl gets; read back with their own readers."""

import json
import time
from importlib.util import find_spec

import pytest
import torch

from dream3d.report.loggers import loggers
from dream3d.report.metrics_log import MetricsLog

needs_tensorboard = pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
needs_wandb = pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")


class Kept:
    def __init__(self) -> None:
        self.rows, self.closed = [], False

    def write(self, step, row):
        self.rows.append((step, dict(row)))

    def close(self):
        self.closed = True


def test_others_get_the_rows_of_the_file(tmp_path):
    kept = Kept()
    with MetricsLog(tmp_path / "m.jsonl", every=2, others=[kept]) as log:
        for step in range(3):
            log.write(step, {"loss": torch.tensor(0.5 + step), "bad": float("nan")})
        assert len(kept.rows) == 2 and not kept.closed
    lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert lines == [{"step": step, **row} for step, row in kept.rows] and kept.closed
    assert kept.rows[2] == (2, {"loss": 2.5, "bad": None})


def test_jsonl_needs_no_logger(tmp_path):
    assert loggers(["jsonl"], tmp_path, "coarse", 0, {}) == []


@needs_tensorboard
def test_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for begin in (0, 2):  # the second is resumed at step 2
        (logger,) = loggers(["tensorboard"], tmp_path, "coarse", begin, {"prompt": "a box"})
        for step in range(begin, 4):
            logger.write(step, {"loss": 10.0 * begin + step, "bad": None})
        logger.close()
    read = EventAccumulator(str(tmp_path / "tensorboard" / "coarse")).Reload()
    assert [(e.step, e.value) for e in read.Scalars("loss")] == [(0, 0.0), (1, 1.0), (2, 22.0), (3, 23.0)]
    assert read.Tags()["scalars"] == ["loss"]


@needs_wandb
def test_wandb_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    (logger,) = loggers(["jsonl", "wandb"], tmp_path, "coarse", 0, {"prompt": "a box"})
    logger.write(0, {"loss": 0.5, "bad": None})
    logger.close()
    (kept,) = tmp_path.rglob("*.wandb")
    for _ in range(100):  # its own process writes the file, and may be behind
        content = kept.read_bytes()
        if b"loss" in content:
            break
        time.sleep(0.1)
    assert b"loss" in content and b"a box" in content and b"bad" not in content
