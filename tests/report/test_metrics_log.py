import json

import pytest
import torch

from dream3d.report.metrics_log import MetricsLog, medians, truncate


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_hold_step_and_values(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        log.write(0, {"loss": torch.tensor(0.5), "rate": 0.01})
        assert rows(path) == [{"step": 0, "loss": 0.5, "rate": 0.01}]  # on disk at once
        log.write(1, {"loss": float("nan")})
    assert rows(path)[1] == {"step": 1, "loss": None}


def test_lines_wait_until_due_and_a_flush_brings_them(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, every=3) as log:
        log.write(0, {})
        log.write(1, {})
        assert rows(path) == []
        log.flush()
        assert [r["step"] for r in rows(path)] == [0, 1]
        log.write(2, {})
    assert [r["step"] for r in rows(path)] == [0, 1, 2]


def test_lines_are_kept_when_the_run_fails(tmp_path):
    with pytest.raises(RuntimeError), MetricsLog(tmp_path / "m", every=10) as log:
        log.write(0, {"loss": 1.0})
        raise RuntimeError
    assert len(rows(tmp_path / "m")) == 1


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    with MetricsLog(whole) as log:
        for step in range(6):
            log.write(step, {"x": step})
    with MetricsLog(resumed) as log:
        for step in range(5):  # two steps past the checkpoint at 3
            log.write(step, {"x": -step if step >= 3 else step})
    with MetricsLog(resumed, begin=3) as log:
        for step in range(3, 6):
            log.write(step, {"x": step})
    assert resumed.read_bytes() == whole.read_bytes()


def test_a_torn_last_line_is_dropped(tmp_path):
    path = tmp_path / "m"
    path.write_text('{"step": 0}\n{"step": 1}\n{"step": 2, "lo')
    truncate(path, 10)
    assert [r["step"] for r in rows(path)] == [0, 1]


def test_nothing_to_truncate_is_fine(tmp_path):
    truncate(tmp_path / "absent", 3)
    assert not (tmp_path / "absent").exists()


def test_medians_by_the_ending_of_a_name(tmp_path):
    with MetricsLog(tmp_path / "m") as log:
        for step, norm in enumerate((3.0, 1.0, 100.0, float("nan"))):
            log.write(step, {"grad_norm": 7.0, "image_grad_norm": norm, "loss": 1.0})
    assert medians(tmp_path / "m", "_grad_norm") == {"image": 3.0}
    assert medians(tmp_path / "none", "_grad_norm") == {}
