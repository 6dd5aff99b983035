"""Command-line words to a configuration; what is wrong with them is said before torch is imported."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dream3d.cli.experiments import foreign, merged, selected
from dream3d.cli.explain import ambiguous, misfits, misplaced, number, unknown, unparsed, why
from dream3d.cli.guidances import spelled_out
from dream3d.errors import UserError
from dream3d.run import config as configuration
from dream3d.run.config import Tree
from dream3d.run.inherited import inherited
from dream3d.schedule import Schedule

TEXTS = (
    "prompt", "prompts_file", "negative", "out", "resume", "mesh_file", "prior.path", "prior.config", "prior.lora",
    "prior.embeddings", "prior.control", "image.file", "image.mask", "image.depth", "image.normals", "source",
    "edit.path",
)  # fmt: skip

FILES = {"mesh": "mesh_file", "image": "image.file", "edit": "edit.path"}
"""Groups that may be given a file (or a run's folder) in place of a member's name, and the setting that takes it."""

# The names that settings had before version 0.2.
RENAMED = {
    "views": "batch_size",
    "refine.views": "refine.batch_size",
    "texture.views": "texture.batch_size",
    "distill.noises": "distill.noise_samples",
    "optimizer.rate": "optimizer.lr",
    "refine.rate": "refine.lr",
    "texture.rate": "texture.lr",
    "distill.student.rate": "distill.student.lr",
    "mesh.level": "mesh.isovalue",
}


def composed(words: Sequence[str]) -> DictConfig:
    """The configuration for these words. Raises UserError with the reason and the fix."""
    if (wrong := misplaced(words)) is not None:
        raise UserError(wrong)
    return exactly(with_experiment([quoted(word) for word in words]))


def with_experiment(words: Sequence[str]) -> list[str]:
    """``experiment=edit`` beside a source to edit, unless another experiment is named.

    >>> with_experiment(["edit.path=chair.glb", "prompt=x"])
    ['experiment=edit', 'edit.path=chair.glb', 'prompt=x']
    """
    keys = [word.lstrip("+~").partition("=")[0] for word in words]
    return ["experiment=edit"] * ("edit.path" in keys and "experiment" not in keys) + list(words)


def exactly(words: Sequence[str]) -> DictConfig:
    """``composed`` for words that are in Hydra's grammar already, as those of a multirun's jobs."""
    overrides = [parsed(word) for word in words]
    folder = configuration.folder().resolve()
    groups = {place.name for place in folder.iterdir() if place.is_dir()}
    chosen = [o for o in overrides if o.key_or_group in groups and not o.is_delete()]
    for override in chosen:
        check_member(override, folder)
    try:
        with composing(folder):
            others = foreign(folder, chosen)
            plain = selected(folder, tuple(o.input_line or "" for o in chosen), tuple(others))
            for override in overrides:
                if override not in chosen:
                    check_key(override, plain)
            whole = {o.key_or_group: new for o in overrides if (new := replacement(o, plain)) is not None}
            rest = [word for word, o in zip(words, overrides, strict=True) if o.key_or_group not in whole]
            config = merged(rest, others)
        for key, new in whole.items():
            OmegaConf.update(config, key, new, merge=False)
        tree = OmegaConf.to_container(config, resolve=True)
        wrong = next(misfits(tree, OmegaConf.to_container(plain, resolve=True)), None)
    except (HydraException, OmegaConfBaseException, ValueError, TypeError) as error:
        raise UserError(why(error)) from error
    if wrong is not None:
        raise UserError(wrong)
    return inherited(config, {o.key_or_group.partition(".")[0] for o in overrides})


def member(group: str, name: str) -> DictConfig:
    """One file of a group with those that it includes, references unresolved; for use without the rest.

    Raises UserError where there is no such file."""
    names = sorted(file.stem for file in (configuration.folder() / group).glob("*.yaml"))
    if name not in names:
        raise UserError(f"{group}: got '{name}', expected one of: {', '.join(names)}")
    with composing(configuration.folder().resolve()):
        return compose(f"{group}/{name}")[group]


@contextmanager
def composing(folder: Path) -> Iterator[None]:
    """Hydra's compose API on ``folder``; inside a multirun's job too, where Hydra is at work already."""
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = outer


def jobs(words: Sequence[str]) -> Iterator[list[str]]:
    """The settings of a multirun's first job, and of those that differ from it in one swept value: every value
    once, and not every combination. Flags are left out.

    >>> list(jobs(["-m", "prompt=a corgi,a dog", "seed=1,2", "steps=3"]))[:2]
    [['prompt=a\\\\ corgi', 'seed=1', 'steps=3'], ['prompt=a\\\\ dog', 'seed=1', 'steps=3']]
    """
    settings = [word for word in words if not word.startswith("-") and ("=" in word or word.startswith("~"))]
    values = [
        [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
        if override.is_sweep_override()
        else [word]
        for word, override in ((word, parsed(word, sweeps=True)) for word in settings)
    ]
    first = [each[0] for each in values]
    yield first
    for i, each in enumerate(values):
        yield from ([*first[:i], other, *first[i + 1 :]] for other in each[1:])


def quoted(word: str) -> str:
    """Text may hold commas, brackets and apostrophes without the quotes that Hydra's grammar wants.

    >>> quoted("prompt=a corgi, sitting")
    "prompt='a corgi, sitting'"
    >>> quoted("steps=3")
    'steps=3'
    """
    word = renamed(word)
    key, _, value = word.partition("=")
    if key not in TEXTS or value.strip() in ("", "null", "???") or value.lstrip()[0] in "'\"" or "${" in value:
        return word
    return f"{key}={QuotedString(value, Quote.single).with_quotes()}"


def renamed(word: str) -> str:
    """``mesh=``, ``image=`` and ``edit=`` choose a member of their group, or else name a file, which has its own key.

    >>> renamed("mesh=chair.glb"), renamed("mesh=default"), renamed("image=cat.png"), renamed("edit=outputs/run")
    ('mesh_file=chair.glb', 'mesh=default', 'image.file=cat.png', 'edit.path=outputs/run')
    >>> renamed("edit.where=box=[-1,0,-1,1,1,1]")
    'edit.where=[-1,0,-1,1,1,1]'
    """
    key, equals, value = word.partition("=")
    if (new := RENAMED.get(key.lstrip("+~"))) is not None:
        sys.stderr.write(f"dream3d: warning: {key}= is now called {new}=; the old name goes with the next version\n")
        return f"{new}{equals}{value}"
    if key == "edit.where":
        return f"{key}={value.removeprefix('box=')}"
    if key not in FILES or not value.strip():
        return word
    members = [file.stem for file in (configuration.folder() / key).glob("*.yaml")]
    return word if value.strip() in members else f"{FILES[key]}={value}"


def parsed(word: str, sweeps: bool = False) -> Override:
    """One word by Hydra's grammar. Raises UserError where it is not ``key=value``, or ``key=a,b`` unless
    ``sweeps`` are wanted."""
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException as error:
        raise UserError(unparsed(word)) from error
    if not override.key_or_group:
        raise UserError(unparsed(word))
    if override.is_sweep_override() and not sweeps:
        raise UserError(ambiguous(word))
    return override


def replacement(override: Override, plain: DictConfig) -> Tree | None:
    """What the word puts in the place of a mapping as a whole, where Hydra would mix the two.

    That is a number in the place of a schedule (a constant one), a mapping with a ``_target_``, or a list of
    guidances. None: an ordinary override.
    """
    value = override.value()
    if override.key_or_group == "guidance" and isinstance(value, list):
        return spelled_out(value, member)
    before = OmegaConf.select(plain, override.key_or_group, throw_on_missing=False)
    if not isinstance(before, DictConfig):
        return None
    if number(value) and is_schedule(before):
        return {"_target_": "dream3d.schedule.Constant", "value": value}
    if isinstance(value, dict) and "_target_" in value:
        lent = {str(name): item for name, item in before.items() if str(name).startswith("_")}
        return lent | {str(name): item for name, item in value.items()}  # a function stays _partial_
    return None


def check_member(override: Override, folder: Path) -> None:
    """Raise UserError where a group is given anything but the name of one of its members (of experiments there
    may be several)."""
    group, member = override.key_or_group, override.value()
    if isinstance(member, str | dict | QuotedString) or (group == "experiment" and isinstance(member, list)):
        return
    names = sorted(file.stem for file in (folder / group).glob("*.yaml"))
    got = (override.input_line or "").partition("=")[2]
    several = f"; for one run each, use -m {group}={','.join(map(str, member))}" if isinstance(member, list) else ""
    raise UserError(f"{group}: got {got}, expected one of: {', '.join(names)}{several}")


def is_schedule(settings: DictConfig) -> bool:
    """Do the settings make a Schedule, one of ``schedule.py`` or of the user's own?"""
    target = settings.get("_target_")
    try:
        return target is not None and issubclass(get_class(str(target)), Schedule)
    except (ImportError, ValueError):  # a function, or nothing that can be imported: its use will say so
        return False


def check_key(override: Override, plain: DictConfig) -> None:
    """Raise UserError for a setting that does not exist (``+key=`` adds one inside a group)."""
    key = override.key_or_group
    if key.startswith("hydra") or (override.is_add() and "." in key):
        return
    parent, _, name = key.rpartition(".")
    place = OmegaConf.select(plain, parent, throw_on_missing=False) if parent else plain
    if not isinstance(place, DictConfig) or name not in list(place.keys()):  # 'in' overlooks ???
        raise UserError(unknown(key, plain))
