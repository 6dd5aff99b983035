"""``dream3d --help``: one page; defaults and choices are read from ``conf/``, so that they cannot be out of date."""

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

settings used most (default)
  prompt=       what to make: prompt="a red corgi"
  seed=         same seed, same result ({seed})
  steps=        optimisation steps of the coarse stage ({steps})
  distill=      distillation loss ({distill}):
{distill_all}
  field=        what the scene is made of ({field}):
{field_all}
  prior=        diffusion model ({prior}):
{prior_all}
  refine=       second stage, on the mesh ({refine}):
{refine_all}
  experiment=   a paper's settings:
{experiment_all}
  mesh=         a mesh to start from, .glb .obj .ply .stl: mesh=chair.glb (image=cat.png: a picture)
  resume=       a run's folder to continue: resume=outputs/...

examples
  dream3d prompt="a red car" seed=3 steps=900
  dream3d prompt="a castle" distill=vsd field=hashgrid
  dream3d prompt="a wooden chair" mesh=chair.glb refine=texture
  dream3d prompts_file=list.txt out=collection     one prompt a line, a gallery at the end

commands
  list [losses|fields|priors|experiments|concepts]     what there is to choose from, one line each
  show <run>       what a run made, with which settings, in what time
  export run=<run> format=ply,stl     files again from a run, in other formats or sizes
  compare prompt=... distill=[sds,vsd]     losses, fields or settings side by side, in one report
  watch            a page that shows runs while they go (live=true: with the run itself)
  priors           which diffusion models this machine can use
  doctor           what of the installation works, and how to mend the rest

the rest
  dream3d <command> --help                 a command's own settings
  dream3d --cfg job prompt="a corgi"       every setting with its value; conf/ explains each
  dream3d --hydra-help                     Hydra's flags: multirun, launchers, --config-dir
  eval "$(dream3d -sc install=bash)"       completion of settings in bash; the same in zsh, after bashcompinit
  dream3d -sc install=fish | source        and in fish
  dream3d --version
"""
GROUPS = ("distill", "field", "prior", "refine", "experiment")


def members(group: str) -> list[str]:
    """The choices of a group of ``conf/``, by name.

    >>> members("field")
    ['hashgrid', 'mlp', 'triplane', 'voxel']
    """
    return sorted(file.stem for file in (folder() / group).glob("*.yaml"))


def defaults(root: Path) -> dict[str, str]:
    """Root keys and groups of config.yaml -> what they are by default."""
    config = OmegaConf.to_container(OmegaConf.load(root / "config.yaml"))
    assert isinstance(config, dict)
    chosen = [item for item in config["defaults"] if isinstance(item, dict)]
    return {str(key): str(value) for part in (config, *chosen) for key, value in part.items()}


def wrapped(text: str) -> str:
    """In lines of 100, below the column where settings are explained."""
    return textwrap.fill(text, 100, initial_indent=" " * 16, subsequent_indent=" " * 16)


def usage() -> str:
    """The page."""
    choices = {f"{group}_all": wrapped(", ".join(members(group))) for group in GROUPS}
    return PAGE.format_map({**defaults(folder()), **choices})
