"""Every number and choice of the configuration has a range, and the ranges hold what conf/ says."""

import math

import pytest
from omegaconf import OmegaConf

from dream3d.cli.overrides import composed
from dream3d.run import config as configuration
from dream3d.run.ranges import CHOICES, RANGES, Range, of, out_of_range

OUTSIDE = ("base", "benchmark", "experiment")  # no groups that a run has
GROUPS = [f for f in sorted(configuration.folder().rglob("*.yaml")) if f.parent.name not in OUTSIDE]
FILES = [f for f in GROUPS if f.stem != "compare"]
PATH = {"vox_e": ["keep=none"], "reconstruct": ("prior.path=a.glb",)}
EXPERIMENTS = [f.stem for f in (configuration.folder() / "experiment").glob("*.yaml")]


def leaves(tree, at):
    """The path of every number, schedules being one."""
    if isinstance(tree, dict) and not str(tree.get("_target_", "")).startswith("dream3d.schedule."):
        for name, value in tree.items():
            if not str(name).startswith("_") and name not in ("defaults", "hydra"):
                yield from leaves(value, f"{at}.{name}" if at else name)
    elif isinstance(tree, dict) or (isinstance(tree, int | float) and not isinstance(tree, bool)):
        yield at


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_what_conf_says_is_inside_its_range_and_every_number_has_one(file):
    """But for losses, fields, noises and regularisers: a new one brings its own, and a range is not asked of it."""
    tree = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    prefix = "" if file.parent.name == "conf" else file.parent.name
    if prefix not in ("distill", "field", "noise", "regularize"):
        assert [path for path in leaves(tree, prefix) if of(RANGES, path) is None] == []
    assert list(out_of_range(tree, prefix)) == []


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_hold(name):
    configuration.check(composed(["prompt=a corgi", f"experiment={name}", *PATH.get(name, ())]))


def test_ends_are_inside_unless_they_are_open():
    assert 0 in Range(0, 1) and 1 in Range(0, 1)
    assert not any(odd in Range(0, 1) for odd in (float("nan"), math.inf, -math.inf))
    assert 0 not in Range(0, 1, open_low=True) and math.inf in Range(0, 1, infinite=True)
    assert 2.0 in Range(0, 3, whole=True) and 2.5 not in Range(0, 3, whole=True)


def test_a_schedule_has_the_range_of_what_it_replaces():
    linear = {"_target_": "dream3d.schedule.Linear", "start": 0.5, "end": 1.5, "finish": 10}
    assert list(out_of_range({"camera": {"sphere": linear}})) == [
        "camera.sphere.end: got 1.5, expected a number from 0 to 1"
    ]
    assert list(out_of_range({"lr": {**linear, "end": 0.0}})) == []
    assert list(out_of_range({"lr": {"_target_": "dream3d.schedule.Constant", "value": 0.0}})) != []
    assert list(out_of_range({"lr": {**linear, "finish": 0.5}})) != []


def test_the_longest_end_of_a_path_counts():
    assert of(RANGES, "prior.guidance") is not of(RANGES, "refine.guidance")
    assert of(CHOICES, "refine.shading.normals") == ("none", "analytic", "finite")
    assert of(RANGES, "someone.elses") is None and list(out_of_range({"someone": {"elses": math.nan}})) != []
