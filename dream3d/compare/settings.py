"""Settings of a comparison (``conf/compare.yaml`` explains them); all other overrides go to the runs.

No torch here: an invalid command must fail immediately.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dream3d.cli.explain import nearest
from dream3d.errors import UserError
from dream3d.run import config as configuration
from dream3d.run.config import Config
from dream3d.run.ranges import RANGES, number, whole

LAUNCHER = "hydra"
LAYOUTS = ("gpteval3d", "t3bench")
"""Of ``export=``; ``exports.py`` writes them."""
LIMITS = {
    "seeds": RANGES["seed"], "workers": whole(1, 1024), "noise_samples": whole(2, 4096), "picture": whole(16, 2048),
    "export_views": whole(1, 3600), "export_size": whole(16, 4096), "noise_at": number(0, 0.999),
}  # fmt: skip
TEXTS = ("out", "benchmark", "axis", "runs", "collect", "export", "prompt_file", "clip", "reference", "pictures",
         "image_reward", "hps")  # fmt: skip
Given = Any
"""One value or a list of them, as on the command line: what each setting takes is checked where it is read."""


@dataclass
class Settings:
    """Keys of a comparison."""

    prompt: Given = ""
    prompt_file: str | None = None
    benchmark: Given = None
    seeds: list[int] = field(default_factory=list)
    axis: Given = None
    values: Given = None
    runs: list[str] | None = None
    out: str = "report"
    time: str = "shared"
    retry: bool = False
    workers: int | None = None
    shard: str | None = None
    steal: bool = False
    estimate_only: bool = False
    collect: Given = None
    clip: str | None = None
    reference: str | None = None
    pictures: str | None = None
    image_reward: str | None = None
    hps: str | None = None
    export: Given = None
    export_views: int = 120
    export_size: int = 512
    noise_at: list[float] = field(default_factory=list)
    noise_samples: int = 8
    picture: int = 128
    run: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """A parsed command: the comparison's own settings, overrides for every run, overrides for Hydra's launchers, and
    the axes given as ``group=[a, b]``."""

    settings: Settings
    words: tuple[str, ...]
    launcher: tuple[str, ...]
    axes: dict[str, list[str]]


def read(words: Sequence[str]) -> Request:
    """Parse a command. Raises UserError with got, expected, fix."""
    own = OmegaConf.merge(OmegaConf.structured(Settings), OmegaConf.load(configuration.folder() / "compare.yaml"))
    rest, launcher, axes, own_keys = [], [], {}, tuple(Settings.__dataclass_fields__)
    for word in words:
        key, equals, _ = word.partition("=")
        if not equals:
            raise UserError(f"got '{word}', expected key=value; see conf/compare.yaml for the keys")
        if key in Settings.__dataclass_fields__:
            try:
                own = OmegaConf.merge(own, {key: value_of(word)})
            except OmegaConfBaseException as error:
                reason = str(error).splitlines()[0]
                raise UserError(f"{key}: {reason}; see conf/compare.yaml for its values") from error
        elif key.split(".")[0].split("/")[0] == LAUNCHER:
            launcher.append(word)
        elif (configuration.folder() / key).is_dir() and isinstance(value_of(word), list):
            axes[key] = [str(v) for v in value_of(word)]
        elif not known(key) and nearest(key, own_keys):
            raise UserError(f"got the unknown setting '{key}'{nearest(key, own_keys)}; see conf/compare.yaml")
        else:
            rest.append(word)
    settings = cast(Settings, OmegaConf.to_object(own))
    check_settings(settings)
    budget = [word for name in names(settings) for word in benchmark(name).run]
    return Request(settings, (*settings.run, *budget, *rest), tuple(launcher), axes)


def known(key: str) -> bool:
    """Is it a setting of the runs, a group of ``conf/`` (``experiment`` is one), or deeper than the root?"""
    return not key.isidentifier() or key in Config.__dataclass_fields__ or (configuration.folder() / key).is_dir()


def value_of(word: str) -> Given:
    """The value of ``key=value`` by Hydra's grammar; text that the grammar refuses stays text."""
    try:
        value = OverridesParser.create().parse_override(word).value()
    except HydraException:
        return word.partition("=")[2]
    if isinstance(value, list):
        return [plain(item) for item in value]
    known = value is None or isinstance(value, str | int | float | bool | dict | QuotedString)
    return plain(value) if known else word.partition("=")[2]


def plain(value: object) -> Given:
    """Without Hydra's own string class."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.text if isinstance(value, QuotedString) else value


def check_settings(settings: Settings) -> None:
    """Raise UserError for invalid values."""
    if settings.time not in ("shared", "own"):
        raise UserError(f"time: got '{settings.time}', expected shared or own")
    if not settings.seeds or len(set(settings.seeds)) < len(settings.seeds):
        raise UserError(f"seeds: got {settings.seeds}, expected distinct whole numbers, e.g. seeds=[0,1,2]")
    for name, allowed in LIMITS.items():
        for given in listed(vars(settings)[name]):
            if given not in allowed:
                raise UserError(f"{name}: got {given}, expected {allowed}")
    for name in TEXTS:
        given = vars(settings)[name]
        if given in ([], "") or not all(isinstance(item, str | int | float) for item in listed(given)):
            raise UserError(f"{name}: got {given!r}, expected text, or several as a list; see conf/compare.yaml")
    if unknown := [name for name in listed(settings.export) if name not in LAYOUTS]:
        raise UserError(f"export: got {', '.join(map(str, unknown))}, expected {' or '.join(LAYOUTS)}")
    if settings.reference is not None and not Path(settings.reference).expanduser().exists():
        raise UserError(f"reference: got '{settings.reference}', which does not exist; give a mesh file or a folder")


def prompts(settings: Settings) -> list[str]:
    """All prompts in order, each once. Raises UserError when there is none."""
    found = [str(p) for p in listed(settings.prompt) if str(p).strip()]
    if settings.prompt_file is not None:
        found += lines(Path(settings.prompt_file).expanduser())
    found += [prompt for group in groups(settings).values() for prompt in group]
    if not found:
        raise UserError('prompt: got an empty text, expected a description; use prompt="a corgi" or benchmark=mini40')
    return list(dict.fromkeys(found))


def lines(file: Path) -> list[str]:
    """The lines of a text file that are neither empty nor comments."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"prompt_file: got '{file}', expected a text file with one prompt a line") from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def names(settings: Settings) -> list[str]:
    """Of the benchmarks: none, one or several."""
    return [str(name) for name in listed(settings.benchmark)]


def listed(given: Given) -> list[Given]:
    """One value or several, or none, as a list.

    >>> listed("a"), listed(["a", "b"]), listed(None)
    (['a'], ['a', 'b'], [])
    """
    return [] if given is None else given if isinstance(given, list) else [given]


def benchmark(name: str) -> DictConfig:
    """``conf/benchmark/<name>.yaml``. Raises UserError where there is none."""
    folder = configuration.folder() / "benchmark"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if name not in known:
        raise UserError(f"benchmark: got '{name}', expected one of: {', '.join(known)}")
    return cast(DictConfig, OmegaConf.load(folder / f"{name}.yaml"))


def groups(settings: Settings) -> dict[str, list[str]]:
    """Kind -> prompts of the benchmarks."""
    kinds = [item for name in names(settings) for item in benchmark(name).prompts.items()]
    return {str(kind): [str(p) for line in lines for p in line] for kind, lines in kinds}
