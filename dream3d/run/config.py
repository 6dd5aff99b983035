"""The typed root of the configuration. Groups are checked against their yaml by Hydra.

No torch here: an invalid command must fail immediately.
"""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from dream3d.errors import UserError
from dream3d.run.ranges import Tree, out_of_range


@dataclass
class Config:
    """Root keys; ``conf/config.yaml`` has the defaults and a comment for each."""

    prompt: str = ""
    prompts_file: str | None = None
    negative: str = ""
    seed: int = 0
    steps: int = 300
    batch_size: int = 2
    size: int = 64
    particles: int = 1
    device: str = "auto"
    threads: int = 0
    out: str | None = None
    overwrite: bool = False
    resume: str | None = None
    mesh_file: str | None = None
    init: str | None = None
    source: str | None = None
    checkpoint_every: int = 100
    preview_every: int = 100
    turntable: int = 60
    live: bool = False
    log: list[str] = dataclasses.field(default_factory=lambda: ["jsonl"])
    verbose: bool = False
    requeue_code: int | None = None
    prior: Tree = dataclasses.field(default_factory=dict)
    prompts: Tree = dataclasses.field(default_factory=dict)
    field: Tree = dataclasses.field(default_factory=dict)
    render: Tree = dataclasses.field(default_factory=dict)
    shading: Tree = dataclasses.field(default_factory=dict)
    background: Tree = dataclasses.field(default_factory=dict)
    camera: Tree = dataclasses.field(default_factory=dict)
    image: Tree = dataclasses.field(default_factory=dict)
    guidance: Tree = dataclasses.field(default_factory=dict)
    distill: Tree = dataclasses.field(default_factory=dict)
    noise: Tree = dataclasses.field(default_factory=dict)
    regularize: Tree = dataclasses.field(default_factory=dict)
    optimizer: Tree = dataclasses.field(default_factory=dict)
    mesh: Tree = dataclasses.field(default_factory=dict)
    refine: Tree = dataclasses.field(default_factory=dict)
    texture: Tree = dataclasses.field(default_factory=dict)
    edit: Tree = dataclasses.field(default_factory=dict)
    keep: Tree = dataclasses.field(default_factory=dict)


ConfigStore.instance().store(name="schema", node=Config)


def folder() -> Path:
    """The folder of the yaml files: inside the installed package, or beside it in the source tree."""
    here = Path(__file__).parents[1]
    installed = here / "conf"
    return installed if installed.is_dir() else here.parent / "conf"


def check(config: DictConfig) -> None:
    """Raise UserError for values that compose but are invalid."""
    check_tree(cast(Tree, OmegaConf.to_container(config, resolve=True)))


def check_tree(tree: Tree) -> None:
    """``check`` for a plain dictionary (``run/ranges.py`` has the allowed ranges)."""
    if not str(tree["prompt"]).strip() and tree["image"].get("file") is None:
        raise UserError(
            'prompt: got an empty text, expected a description; use prompt="a corgi"; dream3d --help shows more'
        )
    for group in dataclasses.fields(Config):
        if group.type == Tree and not isinstance(tree[group.name], dict):
            raise UserError(f"{group.name}: got {tree[group.name]}, expected settings; leave {group.name}= out")
    for wrong in out_of_range(tree):
        raise UserError(wrong)
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", str(tree["device"])):
        raise UserError(f"device: got '{tree['device']}', expected auto, cpu, cuda or cuda:N")
    mesh = tree["mesh"]
    if mesh["padding"] > mesh["size"] // 4:
        raise UserError(f"mesh.padding: got {mesh['padding']}, expected at most a quarter of mesh.size")
    check_log(tree["log"])
    for name, choice in (("refine", "refine=tets or flexicubes"), ("texture", "refine@texture=texture")):
        if tree[name].get("steps") and "field" not in tree[name]:
            raise UserError(f"{name}.steps: got {tree[name]['steps']}, but {name}=none; use {choice}")
    check_edit(tree)
    if tree["mesh_file"] is not None:
        check_mesh(Path(str(tree["mesh_file"])).expanduser(), bool(tree["refine"].get("steps")))


def check_edit(tree: Tree) -> None:
    """Raise UserError for keep= without an edit, an edit without a source prompt, or one beside init= or mesh=."""
    path = tree["edit"].get("path")
    if path is None:
        if tree["keep"]:
            raise UserError(f"keep: got {', '.join(tree['keep'])}, but nothing is edited; use edit=outputs/<run>")
        return
    for other in ("init", "mesh_file"):
        if tree[other] is not None:
            raise UserError(f"edit: also got {other}={tree[other]}; a run starts from one of them; leave the other out")
    if not str(tree["source"] or "").strip():
        raise UserError(f'source: got nothing, expected a prompt that describes {path}; use source="a chair"')
    if tree["keep"] and given_file(tree) is not None:
        raise UserError(
            f"keep: got {', '.join(tree['keep'])}, which acts on a field, but refine= edits the mesh of {path} itself; "
            "leave keep= out, or refine="
        )
    where = tree["edit"]["where"]
    if where not in ("auto", "all") and not (isinstance(where, list) and len(where) == 6):
        raise UserError(f"edit.where: got {where}, expected auto, all or a box [x, y, z, x, y, z]")
    if isinstance(where, list) and not all(low < high for low, high in zip(where[:3], where[3:], strict=True)):
        raise UserError(f"edit.where: got {where}, expected the lower corner first; swap the two")


def given_file(settings: DictConfig | Tree) -> Path | None:
    """The mesh file that the second stage starts from, in place of a coarse stage: ``mesh=``, or that of an edit with
    ``refine=``. None: there is a coarse stage."""
    edited = Path(str((settings.get("edit") or {}).get("path") or ""))
    if settings["mesh_file"] is not None:
        return Path(str(settings["mesh_file"])).expanduser()
    return edited if edited.suffix.lower() in MESHES and settings["refine"].get("steps") else None


LOGS = {"jsonl": "json", "tensorboard": "tensorboard", "wandb": "wandb"}
"""Member of ``log=`` -> the module it needs."""


def check_log(names: Sequence[object]) -> None:
    """Raise UserError for a logger that is unknown or not installed."""
    for name in map(str, names):
        if name not in LOGS:
            raise UserError(f"log: got '{name}', expected some of: {', '.join(LOGS)}")
        if find_spec(LOGS[name]) is None:
            raise UserError(f"log: got '{name}', which is not installed; pip install {LOGS[name]}")


MESHES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")


def check_mesh(file: Path, refined: bool) -> None:
    """Raise UserError if ``mesh=`` is not a mesh file, or no stage would use it."""
    if file.suffix.lower() not in MESHES:
        raise UserError(f"mesh: got '{file}', expected 'default' or a file ending in {', '.join(MESHES)}")
    try:
        there = file.is_file()
    except (OSError, ValueError):  # not a valid file name
        there = False
    if not there:
        raise UserError(f"mesh: got '{file}', but there is no such file; check the path")
    if not refined:
        raise UserError("mesh: got a mesh to start from, but refine=none; use refine=tets, flexicubes or texture")
