from collections import Counter

from cheap import words

from dream3d.compare.grid import cells
from dream3d.compare.settings import read
from dream3d.compare.work import by_prior
from dream3d.compare.worker import as_json, read_plan, share


def test_a_plan_survives_the_file(tmp_path):
    request = read(words(tmp_path / "ball.ply", tmp_path, "distill=[sds,csd]", "optimizer.clip=.inf"))
    planned = cells(request)
    (tmp_path / "plan.json").write_text(as_json(planned, request.settings, {"sds": 1.5}))
    assert read_plan(tmp_path / "plan.json") == (planned, request.settings, {"sds": 1.5})


def test_shares_are_all_cells_once_and_no_worker_gets_the_slow_variant_alone():
    planned = cells(read(["prompt=[a corgi,a car]", "distill=[sds,sjc,vsd,csd]", "seeds=[0,1]"]))
    for workers in (1, 2, 3, 4):
        shares = [share(planned, i, workers) for i in range(workers)]
        assert Counter(c.folder for cells in shares for c in cells) == Counter(c.folder for c in planned)
    for i in (0, 1):
        assert set(Counter(c.variant for c in share(planned, i, 2)).values()) == {2}


def test_cells_of_one_prior_are_run_together():
    planned = cells(read(["prompt=[a corgi,a car]", "axis=prior", "values=[mini,sd15]"]))
    assert [c.variant for c in planned] == ["mini", "sd15", "mini", "sd15"]
    assert [(c.variant, c.prompt) for c in by_prior(planned)] == [
        ("mini", "a corgi"), ("mini", "a car"), ("sd15", "a corgi"), ("sd15", "a car")
    ]  # fmt: skip
