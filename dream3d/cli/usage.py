"""``dream3d --help``: one page; defaults and choices are read from ``conf/``, so that they cannot go stale."""

import textwrap
from pathlib import Path

from omegaconf import OmegaConf

from dream3d.run.config import folder

PAGE = """\
dream3d: text to textured 3D meshes by score distillation

usage
  dream3d prompt="a corgi" [key=value ...]     one run: mesh, turntable, viewer in outputs/<time>-<prompt>/
  dream3d -m prompt="a corgi","a chair" seed=0,1     one run for each combination
  dream3d <command> ...     see below; dream3d is short for python -m dream3d

common settings (default)
  prompt=       what to make: prompt="a red corgi"
  seed=         same seed, same result ({seed})
  steps=        optimisation steps of the coarse stage ({steps})
  distill=      distillation loss ({distill}):
{distill_all}
  field=        scene representation ({field}):
{field_all}
  prior=        diffusion model ({prior}):
{prior_all}
  refine=       second stage, on the mesh ({refine}):
{refine_all}
  experiment=   settings of a paper:
{experiment_all}
  mesh=         mesh to start from, .glb .obj .ply .stl: mesh=chair.glb (image=cat.png: a reference image)
  resume=       run folder to resume: resume=outputs/...

examples
  dream3d prompt="a red car" seed=3 steps=900
  dream3d prompt="a castle" distill=vsd field=hashgrid
  dream3d prompt="a wooden chair" mesh=chair.glb refine=texture
  dream3d prompts_file=list.txt out=collection     one prompt a line, a gallery at the end

commands
  list [losses|fields|priors|experiments|concepts]     available choices, one line each
  show <run>       files, settings and timings of a run
  export run=<run> format=ply,stl     export a run again, in other formats or sizes
  compare prompt=... distill=[sds,vsd]     losses, fields or settings side by side, in one report
  watch            live page of running and finished runs (live=true: started with the run)
  priors           diffusion models available on this machine
  doctor           check the installation

more
  dream3d <command> --help                 settings of a command
  dream3d --cfg job prompt="a corgi"       every setting with its value; see conf/ for comments
  dream3d --hydra-help                     Hydra's flags: multirun, launchers, --config-dir
  eval "$(dream3d -sc install=bash)"       shell completion for bash; for zsh, after bashcompinit
  dream3d -sc install=fish | source        and for fish
  dream3d --version
"""
GROUPS = ("distill", "field", "prior", "refine", "experiment")


def members(group: str) -> list[str]:
    """Names of the members of a group of ``conf/``.

    >>> members("field")
    ['hashgrid', 'mlp', 'triplane', 'voxel']
    """
    return sorted(file.stem for file in (folder() / group).glob("*.yaml"))


def defaults(root: Path) -> dict[str, str]:
    """Defaults of the root keys and groups in config.yaml."""
    config = OmegaConf.to_container(OmegaConf.load(root / "config.yaml"))
    assert isinstance(config, dict)
    chosen = [item for item in config["defaults"] if isinstance(item, dict)]
    return {str(key): str(value) for part in (config, *chosen) for key, value in part.items()}


def wrapped(text: str) -> str:
    """Wrapped to 100 columns, indented to the column of explanations."""
    return textwrap.fill(text, 100, initial_indent=" " * 16, subsequent_indent=" " * 16)


def usage() -> str:
    """The help page."""
    choices = {f"{group}_all": wrapped(", ".join(members(group))) for group in GROUPS}
    return PAGE.format_map({**defaults(folder()), **choices})
