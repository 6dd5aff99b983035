"""Whatever is written in a setting's place, the answer is a configuration that holds or one line, before torch."""

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from dream3d.cli.explain import misfits
from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.run.config import check_tree

FOLDER = tempfile.TemporaryDirectory()
CHAIR = Path(FOLDER.name) / "chair.glb"  # to be edited: settings are checked before it is read
CHAIR.touch()
BASES = {
    "default": (),
    "every group's other member": (
        "prior=sd21", "prompts=perp_neg", "field=hashgrid", "shading=dreamfusion", "background=environment",
        "camera=dreamfusion", "distill=vsd", "regularize=sjc", "optimizer=adamw", "refine=pbr",
        "refine@texture=texture",
    ),
    "an experiment": ("experiment=magic3d",),
    "a picture": ("image=cat.png", "experiment=lift", "guidance=[{prior: mini, loss: csd, weight: 0.5}]"),
    "an edit": (f"edit={CHAIR}", "source=a chair", "experiment=instruct_nerf2nerf", "keep=shape"),
}  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([0, -1, 1, 0.5, 1e308, -0.0, 2**63, 2**64, 1e-320])
)
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(["", "auto", "none", "???", "${seed}", "a" * 5000, "犬" * 400]))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
TARGETS = st.sampled_from(["dream3d.schedule.Constant", "dream3d.schedule.Linear", "os.system", "", None, 3])
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=4),
    st.lists(st.lists(NUMBERS, max_size=3), max_size=2),
    st.dictionaries(st.sampled_from(["value", "start", "end", "finish", "steps"]), SCALARS, max_size=3),
    st.builds(lambda target, value: {"_target_": target, "value": value}, TARGETS, SCALARS),
)
NONSENSE = """optimizer.lr=0 optimizer.rate=0 optimizer.clip=-1 distill.loss.scale=-5 distill.loss.scale=nan
render.transmittance=2 render.occupancy_threshold=-1 field.std=-1 camera.sphere=5 camera.fill=[2,3] camera.fill=[1]
camera.elevation=[-100,100] prior.resolution=0 prior.posterior=mode refine.guidance=nan mesh.formats=[]
seed=18446744073709551616 mesh.size=40000 mesh.resolution=4000 threads=100000 mesh.padding=1000 refine=null
texture=null field=null distill=[sds,vsd] seed=[1] steps=[1,2] distill.loss.scale=[1,2] device=[cpu] field.std=[1]
mesh.formats=glb render.samples=1.5 batch_size=99999999 refine.time.max=3 optimizer.algorithm.betas=[0.9]
regularize.opacity=null distill.loss.weight=1 prior._target_=null steps=1e400 steps=true hydra=null
mesh.isovalue=high mesh.isovalue=-1 refine.steps=-1 device=gpu distill.time.min=1.5 camera.distance=[-1,2]""".split()


def paths(tree: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Of every setting, and of every group of them."""
    if not isinstance(tree, dict):
        return []
    return [path for key, item in tree.items() for path in ((*at, key), *paths(item, (*at, key)))]


TREES = {
    name: OmegaConf.to_container(composed(["prompt=a corgi", *words]), resolve=True) for name, words in BASES.items()
}
PLACES = [(name, path) for name, tree in TREES.items() for path in paths(tree)]


def with_value(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy with another value at a path."""
    first, *rest = path
    return {**tree, first: with_value(tree[first], tuple(rest), value) if rest else value}


def answer(tree: dict[str, Any], plain: dict[str, Any]) -> str | None:
    """What the command would say of these settings in place of the plain ones; None: nothing."""
    try:
        for wrong in misfits(tree, plain):
            return wrong
        check_tree(tree)
    except UserError as error:
        return str(error)
    return None


@seed(0)
@settings(max_examples=1000, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(PLACES), VALUES)
def test_any_value_in_any_place_is_a_setting_or_one_line(place, value):
    plain = TREES[place[0]]
    said = answer(with_value(plain, place[1], value), plain)
    assert said is None or re.search(r"expected|\buse\b|leave out|check the path", said)


def test_the_configurations_as_they_are_hold():
    assert [answer(tree, tree) for tree in TREES.values()] == [None] * len(BASES)
    assert len(PLACES) > 500


@pytest.mark.parametrize("word", NONSENSE)
def test_nonsense_is_one_line_that_says_what_was_expected(word):
    from dream3d.run.config import check

    prior = ["prior=sd21"] if word.startswith("prior.posterior") else []
    with pytest.raises(UserError, match=r"expected|leave out|--help"):
        check(composed(["prompt=a corgi", *prior, word]))


@seed(0)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.text(min_size=1, max_size=30))
def test_any_word_is_one_line_or_a_configuration(word):
    try:
        composed(["prompt=a corgi", word])
    except UserError as error:
        assert str(error)
