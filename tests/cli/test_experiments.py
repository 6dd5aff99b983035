"""Members chosen beside an experiment stay free of what the experiment says of its own."""

import pytest
from hydra import compose
from omegaconf import OmegaConf
from test_conf import DEFAULTS, EXPERIMENTS, MEMBERS, load, strangers

from dream3d.cli.experiments import contents, kept
from dream3d.cli.overrides import composed, composing
from dream3d.errors import UserError
from dream3d.run.config import folder

MIXED = sorted(MEMBERS.keys() - {"prior", "mesh", "render"})


@pytest.fixture(scope="module")
def plain() -> dict[str, dict[str, dict]]:
    """group -> member -> its settings."""
    with composing(folder().resolve()):
        return {
            group: {name: contents(compose(f"{group}/{name}"), group) or {} for name in MEMBERS[group]}
            for group in MIXED
        }


def choices_of(file: dict) -> dict[str, str]:
    """group -> member, as ``config.yaml`` and the experiment's own defaults say."""
    listed = [item for item in (*DEFAULTS, *file["defaults"]) if hasattr(item, "items")]
    return {key.removeprefix("override ").strip("/"): name for item in listed for key, name in item.items()}


@pytest.mark.parametrize("group", MIXED)
def test_no_experiment_leaks_into_any_member(group: str, plain: dict) -> None:
    """All experiments x all members of all groups."""
    for name in EXPERIMENTS:
        file = load(f"experiment/{name}.yaml")
        own = plain[group][choices_of(file)[group]]
        for member, settings in plain[group].items():
            mixed = OmegaConf.to_container(OmegaConf.merge(settings, file.get(group) or {}))
            assert strangers(kept(mixed, settings, own)) == [], (name, member)


@pytest.mark.parametrize("experiment, field", [("dreamfusion", "triplane"), ("sjc", "hashgrid"), ("cpu_smoke", "mlp")])
def test_the_command_does_so(experiment: str, field: str, plain: dict) -> None:
    config = composed([f"experiment={experiment}", f"field={field}", "prompt=a corgi"])
    assert OmegaConf.to_container(config.field, resolve=False) == plain["field"][field]


def test_what_still_applies_is_kept() -> None:
    """The same member, the same kind of timesteps, and settings of groups that nobody chose."""
    config = composed(["experiment=prolificdreamer", "field=hashgrid", "distill=sds", "prompt=a"])
    assert config.field.finest == 4096 and config.distill.time.min == 0.02 and config.background.random_share == 0.5
    assert config.distill.loss.scale == 1.0 and config.distill.student is None


def test_the_command_line_has_the_last_word() -> None:
    words = ["experiment=prolificdreamer", "field=triplane", "prompt=a"]
    field = composed([*words, "field.channels=5", "field.decoder.lr_scale=0.3"]).field
    assert (field.channels, field.decoder.lr_scale) == (5, 0.3) and "log2_size" not in field
    with pytest.raises(UserError, match="log2_size"):
        composed([*words, "field.log2_size=12"])
