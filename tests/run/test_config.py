"""The typed root: its keys are those of the yaml, and values that cannot work are refused."""

import dataclasses

import pytest
from omegaconf import OmegaConf

from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.run.config import Config, check, folder


@pytest.fixture(scope="module")
def sound():
    return composed(["prompt=a corgi"])


def test_the_root_and_the_yaml_have_the_same_keys_and_the_same_defaults(sound):
    file = OmegaConf.load(folder() / "config.yaml")
    groups = {next(iter(item)) for item in file.defaults if not isinstance(item, str)}
    groups = {group.split("@")[-1] for group in groups if not group.startswith("override ")}
    fields = {f.name: f for f in dataclasses.fields(Config)}
    values = set(file) - {"defaults", "hydra"}
    assert values | groups - {"experiment"} == set(fields)
    defaults = {
        n: f.default if f.default_factory is dataclasses.MISSING else f.default_factory() for n, f in fields.items()
    }
    assert {name: file[name] for name in values} == {name: defaults[name] for name in values}
    check(sound)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mesh.padding", 999), ("threads", 10**6),
        ("prompt", " "), ("steps", 0), ("batch_size", 0), ("particles", 0), ("checkpoint_every", 0),
        ("preview_every", -1), ("turntable", -1), ("seed", -1), ("threads", -1), ("size", 7),
        ("size", 2049), ("device", "cud"),
        ("device", "cuda:"), ("device", "cuda:1x"), ("distill.noise_samples", 0), ("texture.steps", 3),
    ],
)  # fmt: skip
def test_a_value_that_cannot_work_is_refused_by_name(sound, key, value):
    config = sound.copy()
    OmegaConf.update(config, key, value)
    with pytest.raises(UserError, match=rf"^{key}: got .*(expected|\buse\b)"):
        check(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [("steps", 1), ("size", 8), ("size", 2048), ("device", "cuda"), ("device", "cuda:12"), ("device", "cpu")],
)
def test_the_ends_of_the_ranges_are_allowed(sound, key, value):
    config = sound.copy()
    OmegaConf.update(config, key, value)
    check(config)


def test_values_keep_their_types():
    config = composed(["prompt=5", "steps=7", "out=1"])
    assert (config.prompt, config.steps, config.out) == ("5", 7, "1")
