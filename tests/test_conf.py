"""Every file under conf/: its form, its keys against what they configure, and two steps with each choice."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import trimesh
from hydra import compose, initialize_config_dir
from hydra.utils import get_object
from omegaconf import OmegaConf
from scenes import sphere
from short_runs import sound, two_steps

from dream3d.cli.overrides import composed, member

CONF = Path(__file__).parents[1] / "conf"
FILES = sorted(str(f.relative_to(CONF)) for f in CONF.rglob("*.yaml"))
DEFAULTS = OmegaConf.load(CONF / "config.yaml").defaults
GROUPS = sorted(str(key) for item in DEFAULTS if OmegaConf.is_dict(item) for key in item if (CONF / str(key)).is_dir())
MEMBERS = {g: sorted(f.stem for f in (CONF / g).glob("*.yaml")) for g in GROUPS}
EXPERIMENTS = MEMBERS.pop("experiment")
LEAVES = [f"{group}/{name}.yaml" for group, names in MEMBERS.items() for name in names]
WITHOUT_PAPER = {"cpu_smoke", "quick", "reconstruct"}
EDITS = {"dds", "pds", "ssd_edit", "edit", "vox_e", "instruct_nerf2nerf"}  # losses and experiments that need one
# Parameters with a default that the program fills in: where it runs, what a step sends, the root's texts.
FILLED_IN = {"device", "negative", "batch"}
LEAN = ("torch.", "dream3d.schedule.")  # of these, what is left out is plain from the signature
# Groups with no part in the loop, or (prior) with weights that a test cannot have.
APART = MEMBERS.keys() & {"prior", "mesh", "refine"}
COMBINATIONS = max(len(names) for group, names in MEMBERS.items() if group not in APART)


def targets(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of a tree that names what it configures."""
    if isinstance(tree, dict):
        if "_target_" in tree:
            yield tree
        for item in tree.values():
            yield from targets(item)


def named_parameters(node: dict[str, Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a node's target that can be given by name."""
    signature = inspect.signature(get_object(node["_target_"]))
    return {k: p for k, p in signature.parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def given(node: dict[str, Any]) -> set[str]:
    return {key for key in node if not key.startswith("_")}


def strangers(tree: Any) -> list[str]:
    """Keys that their target does not know."""
    wrong = []
    for node in targets(tree):
        unknown = given(node) - named_parameters(node).keys()
        wrong += [f"{node['_target_']}: {key}" for key in sorted(unknown)]
    return wrong


def unsaid(tree: Any) -> list[str]:
    """Parameters that have a default and are not in the yaml: hidden knobs."""
    wrong = []
    for node in targets(tree):
        if not node["_target_"].startswith(LEAN):
            defaults = {k for k, p in named_parameters(node).items() if p.default is not p.empty}
            wrong += [f"{node['_target_']}: {key}" for key in sorted(defaults - given(node) - FILLED_IN)]
    return wrong


def load(name: str) -> dict[str, Any]:
    """A file, with those that it includes where it is a group's member."""
    group, _, stem = name.removesuffix(".yaml").rpartition("/")
    config = OmegaConf.load(CONF / name) if group == "experiment" else member(group, stem)
    tree = OmegaConf.to_container(config)
    assert isinstance(tree, dict)
    return tree


@pytest.fixture(scope="session")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return tiny.saved(tiny.sd(), tmp_path_factory.mktemp("tiny-sd"))


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return tiny.saved(tiny.mini(), tmp_path_factory.mktemp("tiny-mini"))


@pytest.fixture(scope="session")
def ball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    mesh, file = sphere(), tmp_path_factory.mktemp("ball") / "ball.ply"
    colours = (mesh.colours * 255).byte().numpy()
    trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=colours).export(file)
    return file


def of_a_source(mesh: Path) -> list[str]:
    """Words for an edit, whose two steps here do not read what it starts from."""
    return [f"edit.path={mesh}", "source=a dog", "edit.vertices=4"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_short_and_says_what_it_is(name: str) -> None:
    lines = (CONF / name).read_text().splitlines()
    assert len(lines) <= (31 if "/" in name else 50)  # the root has a line for every group and key
    assert max(len(line) for line in lines) <= 120
    if name.startswith("experiment/"):
        assert lines.pop(0) == "# @package _global_"
        assert "arXiv" in lines[0] or Path(name).stem in WITHOUT_PAPER, "an experiment names its paper"
    assert lines[0].startswith("# ") and len(lines[0]) > 20


@pytest.mark.parametrize("name", LEAVES)
def test_keys_are_parameters_and_no_knob_is_hidden(name: str) -> None:
    tree = load(name)
    assert strangers(tree) == []
    assert unsaid(tree) == []


def test_the_two_checks_above_can_fail() -> None:
    node = {"_target_": "dream3d.regularize.entropy.entropy", "_partial_": True, "flor": 1}
    assert strangers(node) == ["dream3d.regularize.entropy.entropy: flor"]
    assert unsaid({"deep": node}) == ["dream3d.regularize.entropy.entropy: floor"]


@pytest.mark.parametrize("group", sorted(APART))
def test_members_that_do_not_run_here_compose(group: str) -> None:
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        for member in MEMBERS[group]:
            config = compose("config", overrides=[f"{group}={member}"])
            assert OmegaConf.to_container(config[group]) == load(f"{group}/{member}.yaml")


@pytest.mark.parametrize("name", [e for e in EXPERIMENTS if e != "magic123"])  # run/test_picture_presets.py has it
def test_every_experiment_composes_and_runs(name: str, stable_diffusion: Path, ball: Path) -> None:
    prior = [] if name == "reconstruct" else ["prior=folder"]
    path = ball if name == "reconstruct" else stable_diffusion
    source = of_a_source(ball) if name in EDITS else []
    config = composed([f"experiment={name}", *prior, f"prior.path={path}", "prompt=a corgi", *source])
    assert strangers(OmegaConf.to_container(config)) == []
    assert sound(two_steps(config))


PAPERS_MIN = {"bridge": 0.02, "csd": 0.02, "dreamfusion": 0.02, "latentnerf": 0.02, "luciddreamer": 0.02,
              "magic3d": 0.02, "prolificdreamer": 0.02, "sjc": 0.01}  # fmt: skip


@pytest.mark.parametrize("name", sorted(PAPERS_MIN))
def test_experiments_keep_their_papers_noise_range(name: str) -> None:
    """The falling minimum of the defaults is ours; a paper's recipe must not inherit it."""
    assert composed([f"experiment={name}", "prompt=a corgi"]).distill.time.min == PAPERS_MIN[name]


@pytest.mark.parametrize("i", range(COMBINATIONS))
def test_every_choice_runs(i: int, mini: Path, ball: Path) -> None:
    """The i-th member of every group together, so that each member is in at least one run."""
    chosen = {g: names[i % len(names)] for g, names in MEMBERS.items() if g not in APART}
    source = of_a_source(ball) if chosen["distill"] in EDITS or chosen["keep"] != "none" else []
    config = composed(["prior=folder", f"prior.path={mini}", "prompt=a corgi", *map("=".join, chosen.items()), *source])
    if config.shading.get("normals") == "none":  # regularisers may need them
        config.shading.normals = "finite"
    assert sound(two_steps(config)), chosen
