import os
import sys
from pathlib import Path

# Two processes test at once: threads that wait (here and in processes started here) must not spin.
os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}

import pytest
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(p) for p in HERE.iterdir() if p.is_dir()), str(HERE.parent / "scripts/mini")]
pytest_plugins = ["gaussian_world"]


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors are faster on one thread, and sums are then the same on every machine."""
    torch.set_num_threads(1)
