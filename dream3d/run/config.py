"""The typed root of the configuration. Groups are checked against their yaml by Hydra.

No torch here: a wrong command must fail at once.
"""

import dataclasses
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from dream3d.errors import UserError


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
    resume: str | None = None
    mesh_file: str | None = None
    init: str | None = None
    checkpoint_every: int = 100
    preview_every: int = 100
    turntable: int = 60
    live: bool = False
    log: list[str] = dataclasses.field(default_factory=lambda: ["jsonl"])
    prior: dict[str, Any] = dataclasses.field(default_factory=dict)
    prompts: dict[str, Any] = dataclasses.field(default_factory=dict)
    field: dict[str, Any] = dataclasses.field(default_factory=dict)
    render: dict[str, Any] = dataclasses.field(default_factory=dict)
    shading: dict[str, Any] = dataclasses.field(default_factory=dict)
    background: dict[str, Any] = dataclasses.field(default_factory=dict)
    camera: dict[str, Any] = dataclasses.field(default_factory=dict)
    distill: dict[str, Any] = dataclasses.field(default_factory=dict)
    noise: dict[str, Any] = dataclasses.field(default_factory=dict)
    regularize: dict[str, Any] = dataclasses.field(default_factory=dict)
    optimizer: dict[str, Any] = dataclasses.field(default_factory=dict)
    mesh: dict[str, Any] = dataclasses.field(default_factory=dict)
    refine: dict[str, Any] = dataclasses.field(default_factory=dict)
    texture: dict[str, Any] = dataclasses.field(default_factory=dict)


ConfigStore.instance().store(name="schema", node=Config)


def folder() -> Path:
    """Where the yaml files are: inside the installed package, or beside it in the source tree."""
    here = Path(__file__).parents[1]
    installed = here / "conf"
    return installed if installed.is_dir() else here.parent / "conf"


def check(config: DictConfig) -> None:
    """Raise UserError for values that compose but cannot work."""
    if not config.prompt.strip():
        raise UserError('prompt: got an empty text, expected a description; say prompt="a corgi"')
    for name in ("steps", "batch_size", "particles", "checkpoint_every", "preview_every"):
        if config[name] < 1:
            raise UserError(f"{name}: got {config[name]}, expected a whole number >= 1")
    if config.distill.noise_samples < 1:
        raise UserError(f"distill.noise_samples: got {config.distill.noise_samples}, expected a whole number >= 1")
    check_log(config)
    if config.mesh_file is not None:
        check_mesh(config)
    for name, choice in (("refine", "refine=tets or flexicubes"), ("texture", "refine@texture=texture")):
        if config[name].get("steps") and "field" not in config[name]:
            raise UserError(f"{name}.steps: got {config[name].steps}, but {name}=none; say {choice}")
    if config.seed < 0:
        raise UserError(f"seed: got {config.seed}, expected a whole number >= 0")
    if config.turntable < 0:
        raise UserError(f"turntable: got {config.turntable}, expected a number of frames, 0 for none")
    if config.threads < 0:
        raise UserError(f"threads: got {config.threads}, expected 0 (all cores) or more")
    if not 8 <= config.size <= 2048:
        raise UserError(f"size: got {config.size}, expected pixels from 8 to 2048")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", config.device):
        raise UserError(f"device: got '{config.device}', expected auto, cpu, cuda or cuda:N")


LOGS = {"jsonl": "json", "tensorboard": "tensorboard", "wandb": "wandb"}
"""Member of ``log=`` -> the module that it needs."""


def check_log(config: DictConfig) -> None:
    """Raise UserError for a logger that is not known, or not installed."""
    for name in config.log:
        if name not in LOGS:
            raise UserError(f"log: got '{name}', expected some of: {', '.join(LOGS)}")
        if find_spec(LOGS[name]) is None:
            raise UserError(f"log: got '{name}', which is not installed; pip install {LOGS[name]}")


MESHES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")


def check_mesh(config: DictConfig) -> None:
    """Raise UserError where ``mesh=`` names no mesh file, or there is no stage to use it."""
    file = Path(config.mesh_file).expanduser()
    if file.suffix.lower() not in MESHES:
        raise UserError(f"mesh: got '{config.mesh_file}', expected 'default' or a file ending in {', '.join(MESHES)}")
    if not file.is_file():
        raise UserError(f"mesh: got '{config.mesh_file}', but there is no such file; check the path")
    if not config.refine.get("steps"):
        raise UserError("mesh: got a mesh to start from, but refine=none; say refine=tets, flexicubes or texture")
