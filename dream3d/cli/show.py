"""``dream3d show outputs/<run>``: files, settings and timings of a run, and what to do next."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dream3d.cli.commands import HELP_FLAGS, written
from dream3d.cli.errors import reported
from dream3d.errors import UserError, first
from dream3d.report.checksums import altered
from dream3d.report.files import facts_of
from dream3d.run.config import Tree

QUIET = ("prompt", "seed", "out", "resume")
"""Settings that are shown elsewhere, or of no interest."""


def leaves(tree: object, at: str = "") -> Tree:
    """Dotted path -> value.

    >>> leaves({"a": {"b": 1, "c": [2]}, "d": 3})
    {'a.b': 1, 'a.c': [2], 'd': 3}
    """
    if not isinstance(tree, dict):
        return {at: tree}
    inside = [leaves(value, f"{at}.{name}" if at else str(name)) for name, value in tree.items()]
    return {path: value for part in inside for path, value in part.items()}


def changed(saved: DictConfig) -> Tree:
    """Settings that differ from the defaults. For a group with another ``_target_`` only that is listed."""
    from dream3d.cli.overrides import composed

    default = leaves(OmegaConf.to_container(composed(["prompt=x"]), resolve=True))
    own = leaves(OmegaConf.to_container(saved))
    differs = {k: v for k, v in own.items() if default.get(k) != v and k.split(".")[0] not in QUIET}
    other = [k.removesuffix("_target_") for k in differs if k.endswith("._target_")]
    return {k: v for k, v in differs.items() if k.endswith("._target_") or not k.startswith(tuple(other))}


def last_row(file: Path) -> Tree:
    """The last complete line of a metrics file, {} if there is none."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    for line in reversed(lines):
        try:
            return json.loads(line)
        except ValueError:  # killed while writing
            continue
    return {}


def metrics_lines(run: Path) -> Iterator[str]:
    """Last step of each stage."""
    for file in sorted(run.glob("metrics*.jsonl")):
        if row := last_row(file):
            numbers = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "step" and isinstance(v, int | float))
            yield f"{file.stem.removeprefix('metrics').strip('-') or 'coarse':<10} {row['step'] + 1} steps; {numbers}"


def manifest_lines(run: Path) -> Iterator[str]:
    """When, on which machine and for how long it ran; only of a finished run."""
    file = run / "run.json"
    if not file.is_file():
        yield "finished   no"
        return
    facts = facts_of(file)
    if not {"finished", "stages", "warnings"} <= facts.keys():
        yield f"warning    {file.name} is damaged; use resume={shlex.quote(str(run))} to write it again"
        return
    yield f"finished   {facts['finished']} on {facts.get('gpu') or facts.get('cpu')}, {facts.get('cores')} cores"
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in facts["stages"].items())
    yield f"time       {spent}; {sum(facts['stages'].values()):.1f} s in all"
    if facts.get("peak_memory"):
        yield f"memory     {facts['peak_memory']:.0f} MiB at most"
    yield from (f"warning    {warning}" for warning in facts["warnings"])
    yield from (f"warning    {name} {wrong}" for name, wrong in altered(run, facts.get("files", {})).items())


def settings_of(file: Path) -> DictConfig:
    """The configuration, of whatever version. Raises UserError where it cannot be read."""
    try:
        saved = OmegaConf.load(file)
        if isinstance(saved, DictConfig) and "prompt" in saved:
            return saved
        reason = "it has no prompt"
    except (OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        reason = first(error)
    raise UserError(f"show: got '{file}', expected a run's configuration ({reason}); give another folder")


def described(run: Path) -> Iterator[str]:
    """The lines to print. Raises UserError if the folder is not a run."""
    file = run / "config.yaml"
    if not file.is_file():
        raise UserError(
            f"show: got '{run}', expected a run folder (with config.yaml in it), such as outputs/<time>-<prompt>"
        )
    saved = settings_of(file)
    yield f'run        {run}: "{saved.get("prompt")}", seed {saved.get("seed")}'
    different = [f"{path}={value}" for path, value in changed(saved).items()]
    yield f"settings   {'  '.join(different) or 'the default ones'}"
    yield from metrics_lines(run)
    yield from manifest_lines(run)
    for path in sorted(path for path in run.iterdir() if path.is_file() and not path.name.startswith(".")):
        yield f"  {path.name:<22} {path.stat().st_size / 1e3:>10,.1f} kB"
    word = shlex.quote(str(run))
    if not (run / "run.json").is_file():
        yield f"to resume: python -m dream3d resume={word}"
    else:
        yield f"other formats: python -m dream3d export run={word} format=ply,stl"


def command(words: Sequence[str]) -> int:
    """Describe one or more runs. Returns the exit code."""
    if not words or HELP_FLAGS.intersection(words):
        sys.stdout.write(written(__doc__))
        return 0 if words else 2
    return reported(lambda: [sys.stdout.writelines(f"{line}\n" for line in described(Path(word))) for word in words])
