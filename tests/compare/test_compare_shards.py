from collections import Counter

import pytest

from dream3d.compare.grid import cells
from dream3d.compare.settings import read
from dream3d.compare.shards import shard_of, share, turns
from dream3d.compare.work import by_prior
from dream3d.errors import UserError


@pytest.fixture(scope="module")
def planned():
    return cells(read(["prompt=[a corgi,a car]", "distill=[sds,sjc,vsd,csd]", "seeds=[0,1]"]))


def test_shares_are_all_cells_once_and_no_worker_gets_the_slow_variant_alone(planned):
    for workers in (1, 2, 3, 4):
        shares = [share(planned, i, workers) for i in range(workers)]
        assert Counter(c.folder for cells in shares for c in cells) == Counter(c.folder for c in planned)
    for i in (0, 1):
        assert set(Counter(c.variant for c in share(planned, i, 2)).values()) == {2}


def test_a_stealing_worker_does_its_own_first(planned):
    assert turns(planned, (1, 2), steal=False) == share(planned, 1, 2)
    order = turns(planned, (1, 2), steal=True)
    assert order[:8] == share(planned, 1, 2) and order[8:] == share(planned, 0, 2)[::-1]


def test_cells_of_one_prior_are_run_together():
    planned = cells(read(["prompt=[a corgi,a car]", "axis=prior", "values=[mini,sd15]"]))
    assert [c.variant for c in planned] == ["mini", "sd15", "mini", "sd15"]
    assert [(c.variant, c.prompt) for c in by_prior(planned)] == [
        ("mini", "a corgi"), ("mini", "a car"), ("sd15", "a corgi"), ("sd15", "a car")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, environment, expected",
    [
        ("0/1", {}, (0, 1)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1"}, (3, 4)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_PROCID": "7"}, (0, 2)),
        ("auto/8", {"JOB_COMPLETION_INDEX": "5"}, (5, 8)),
        ("auto", {"SKYPILOT_NODE_RANK": "1", "SKYPILOT_NUM_NODES": "3"}, (1, 3)),
        ("auto", {"RANK": "2", "WORLD_SIZE": "4"}, (2, 4)),
    ],
)
def test_schedulers(text, environment, expected):
    assert shard_of(text, environment) == expected


@pytest.mark.parametrize(
    "text, environment, message",
    [
        ("3", {}, "expected i/n"),
        ("8/8", {}, "expected a number from 0 to 7"),
        ("auto", {}, "no scheduler has set"),
        ("auto", {"RANK": "two", "WORLD_SIZE": "4"}, "RANK or the number of jobs is no number"),
        ("auto", {"JOB_COMPLETION_INDEX": "5"}, "use shard=auto/8"),
    ],
)
def test_mistakes(text, environment, message):
    with pytest.raises(UserError, match=message):
        shard_of(text, environment)
