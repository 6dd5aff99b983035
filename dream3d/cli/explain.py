"""Explain what is wrong with a command line, in one line: got, expected, fix."""

import difflib
import shlex
from collections.abc import Iterator, Sequence

from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigTypeError, InterpolationResolutionError, ValidationError

from dream3d.cli.commands import COMMANDS
from dream3d.errors import first
from dream3d.run.config import Tree
from dream3d.run.ranges import MAY_BE_LIST, MAY_BE_NULL, key_of

HELP = "python -m dream3d --help"
KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list like [1, 2]", str: "text"}
ROOT = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "str | None": "text",
    "int | None": "a whole number",
}


def nearest(got: str, options: Sequence[str]) -> str:
    """``; did you mean ...?`` if something has a similar spelling, else empty."""
    close = difflib.get_close_matches(got, options, 1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def misplaced(words: Sequence[str]) -> str | None:
    """Arguments that are not settings: a command that does not come first, an unquoted prompt. None if all are."""
    bare = [word for word in words if "=" not in word and not word.startswith("~")]
    if flag := next((word for word in words if word.startswith("--")), None):
        name, equals, value = flag.lstrip("-").partition("=")
        value = value if equals else next(iter([*words[words.index(flag) + 1 :], "..."]))
        return f"got '{flag}', expected {name.replace('-', '_')}={value}; settings have no dashes; see {HELP}"
    if not bare:
        return None
    if command := next((word for word in bare if word in COMMANDS), None):
        rest = " ".join(shlex.quote(word) for word in words if word != command)
        return f"got '{command}' after other words, expected it first: python -m dream3d {command} {rest}"
    given = [word.partition("=")[2] for word in words if word.startswith("prompt=")]
    prompt = " ".join(word.strip("'\"") for word in (*given, *bare)).strip()
    near = "" if given else nearest(bare[0], tuple(COMMANDS))
    return f"got '{bare[0]}'{near}, expected key=value; put the prompt in quotes: prompt=\"{prompt}\"; see {HELP}"


def unparsed(word: str) -> str:
    """An argument that is not ``key=value``."""
    key, equals, value = word.partition("=")
    if not equals:
        return (
            f"got '{word}', expected key=value; if it is part of the prompt, quote the whole prompt: "
            'prompt="a red corgi"'
        )
    if not key or not value:
        return f"got '{word}', expected key=value, such as prompt=\"a corgi\"; see {HELP}"
    return (
        f"got '{word}', expected key=value, but the value cannot be parsed; close every quote and bracket, "
        f"or quote the value: '{key}=\"...\"'"
    )


def ambiguous(word: str) -> str:
    """Several values for a setting that takes one."""
    key, _, value = word.partition("=")
    return f"{key}: got several values ({value}), expected one; write a list as [{value}], or add -m for one run each"


def unknown(key: str, plain: DictConfig) -> str:
    """A setting that this configuration does not have."""
    paths = list(dotted(OmegaConf.to_container(plain, resolve=False)))
    group, _, last = key.rpartition(".")
    top = key.partition(".")[0] if group else ""
    same = [path for path in paths if path.endswith(f".{last}") and path.startswith(top)]
    near = f"; did you mean {' or '.join(same[:3])}?" if same else nearest(key, ["experiment", *paths])
    while group and not isinstance(OmegaConf.select(plain, group), DictConfig):
        group = group.rpartition(".")[0]
    inside = OmegaConf.select(plain, group) if group else plain
    names = ", ".join(str(name) for name in inside if not str(name).startswith("_"))
    return f"got the unknown setting '{key}'{near or f'; expected one of: {names}'}; see {HELP}"


def dotted(tree: object, at: str = "") -> Iterator[str]:
    """The paths of all settings.

    >>> list(dotted({"a": {"b": 1}, "c": 2}))
    ['a', 'a.b', 'c']
    """
    for name, value in tree.items() if isinstance(tree, dict) else ():
        if not str(name).startswith("_"):
            yield f"{at}{name}"
            yield from dotted(value, f"{at}{name}.")


def misfits(got: object, default: object, at: str = "") -> Iterator[str]:
    """One line for each value whose type differs from its default's. null is allowed where it has a meaning
    (``ranges.MAY_BE_NULL``), and a mapping with ``_target_`` (a schedule) in place of a number."""
    if got == "???":
        yield f"{at}: got nothing, expected a value; use {at}=..."
    elif default is None or default == "???":
        return
    elif got is None:
        if key_of(MAY_BE_NULL, at) is None:
            yield f"{at}: got null, expected {expected(default)}"
    elif isinstance(default, dict):
        yield from misfit_settings(got, default, at)
    elif isinstance(default, list):
        if not isinstance(got, list):
            yield f"{at}: got {got!r}, expected {KINDS[list]}"
        elif default and all(map(number, default)) and not all(map(number, got)):
            yield f"{at}: got {got}, expected numbers in the list"
    elif not same_type(got, default, at) and not (isinstance(got, list) and key_of(MAY_BE_LIST, at)):
        yield f"{at}: got {got!r}, expected {expected(default)}"


def expected(default: object) -> str:
    """The type of value that may replace the default.

    >>> expected(True), expected(0.5), expected({"a": 1})
    ('true or false like true', 'a number like 0.5', 'settings (a)')
    """
    if isinstance(default, dict):
        return f"settings ({', '.join(dotted(default)) or 'none'})"
    return f"{KINDS[type(default)]} like {str(default).lower()}"


def misfit_settings(got: object, default: Tree, at: str) -> Iterator[str]:
    """``misfits`` of a mapping. With another ``_target_`` it is left to the constructor."""
    if not isinstance(got, dict):
        yield f"{at}: got {got!r}, expected {expected(default)}; change them one by one"
    elif "_target_" in default and not isinstance(got.get("_target_"), str):
        yield f"{at}: it was removed, but is required; leave out ~{at}"
    elif got.get("_target_") == default.get("_target_"):
        for name, value in default.items():
            path = f"{at}.{name}" if at else str(name)
            if name in got:
                yield from misfits(got[name], value, path)
            elif at != "regularize":
                yield f"{path}: it was removed, but is required; leave out ~{path}"


def same_type(got: object, default: object, at: str) -> bool:
    """Whether the scalar has the default's type, or is a schedule of a number that is read at every step."""
    if isinstance(default, bool) or isinstance(got, bool):
        return isinstance(default, str) or type(got) is type(default)
    if number(default):
        constant = at.startswith("mesh.") or at.endswith(".steps")
        return number(got) or (isinstance(got, dict) and "_target_" in got and not constant)
    return not isinstance(got, dict | list)


def number(value: object) -> bool:
    """Whether the value is an integer or a float; a bool is neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def why(error: Exception) -> str:
    """The reason that Hydra or OmegaConf gives, without details."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, member = str(error.missing_cfg_file).rpartition("/")
        near = nearest(member, error.options)
        return f"{group}: got '{member}'{near}; expected one of: {', '.join(error.options)}"
    cause = error.__cause__ or error
    if isinstance(cause, ValidationError | ConfigTypeError) and getattr(cause, "full_key", ""):
        from dream3d.run.config import Config

        field = Config.__dataclass_fields__.get(str(cause.full_key))
        name = field.type.__name__ if field and isinstance(field.type, type) else str(field and field.type)
        kind = ROOT.get(name, "settings") if field else "another type"
        return f"{cause.full_key}: got {cause.value!r}, expected {kind}"
    if isinstance(error, InterpolationResolutionError):
        return f"{error.full_key}: got an interpolation that cannot be resolved ({first(error)}); see {HELP}"
    return f"{first(error)}; see {HELP}"
