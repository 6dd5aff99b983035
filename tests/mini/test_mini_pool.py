import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import ball, gray
from captions import Job
from pool import BLOCK, Pool
from views import Meshes, render

from dream3d.priors.mini.colours import COLOURS

JOBS = [
    Job("ball", "ball", None, ("a ball",)),
    Job("small", None, "green", ("a green ball",)),
    Job("ball", "small", "red", ("a red ball",)),
]
MESHES, NUMBERS = Meshes.of([ball(), ball("small", 0.3)]), {"ball": 0, "small": 1}


def pool(workers: int, seed: int = 1) -> Pool:
    return Pool(NUMBERS, NUMBERS, MESHES, JOBS, 32, workers, seed)


def test_rows_depend_on_seed_and_job_alone():
    with pool(2) as two:
        two.wait(3)
    alone = pool(1)
    for job in (2, 0, 1):
        alone.fill(job)
    for name in ("views", "painted", "camera", "ready"):
        assert (getattr(two, name) == getattr(alone, name)).all()
    other = pool(1, seed=2)
    other.fill(0)
    assert (other.camera[:BLOCK] != alone.camera[:BLOCK]).any()


def test_views_and_painted_are_those_of_the_job():
    filled = pool(1)
    for job in range(3):
        filled.fill(job)
    assert (filled.views[:BLOCK] == filled.painted[:BLOCK]).all()  # the latent's number is the model's here
    assert not filled.painted[BLOCK : 2 * BLOCK].any()
    last = slice(2 * BLOCK, 3 * BLOCK)
    red = np.tile(np.array(COLOURS["red"], np.float32) / 255, (BLOCK, 1))
    wanted = np.zeros((BLOCK, 32, 32, 4), np.uint8)
    render(MESHES, np.ones(BLOCK, np.int64), red, filled.camera[last], wanted)
    assert (filled.painted[last] == wanted).all()
    assert gray(filled.views[last])[..., 3].sum() > 1.5 * gray(wanted)[..., 3].sum()


def test_a_dead_process_is_an_error(monkeypatch):
    made = pool(1)
    monkeypatch.setattr(made, "work", lambda: (_ for _ in ()).throw(SystemExit(3)))
    with made, pytest.raises(RuntimeError, match="died"):
        made.wait(3)
