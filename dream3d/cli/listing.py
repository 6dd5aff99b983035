"""``dream3d list [kind]``: the available choices, one line each.

losses, fields, priors, experiments    members of distill=, field=, prior=, experiment=
concepts                               nouns that the embedded prior knows
any group of conf/                     camera, regularize, refine, ...
"""

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from dream3d.cli.commands import HELP_FLAGS, written
from dream3d.cli.errors import reported
from dream3d.cli.explain import nearest
from dream3d.cli.usage import members
from dream3d.errors import UserError
from dream3d.run.config import folder

GROUPS = {"losses": "distill", "fields": "field", "priors": "prior", "experiments": "experiment"}
KINDS = (*GROUPS, "concepts")


def about(file: Path) -> str:
    """The first comment of a yaml file that is not a ``@package`` directive."""
    lines = file.read_text(encoding="utf-8").splitlines()
    said = next((line.lstrip("# ") for line in lines if line.startswith("#") and "@package" not in line), "")
    return said.strip()


def group_lines(group: str) -> list[str]:
    """``name  description`` of every member."""
    names = members(group)
    width = max(map(len, names))
    return [f"  {name:<{width}}  {about(folder() / group / f'{name}.yaml')}" for name in names]


def concept_lines() -> list[str]:
    """The nouns that the embedded prior knows, wrapped to lines."""
    from dream3d.priors import mini
    from dream3d.priors.mini.words import concepts_of

    known = concepts_of(Path(mini.__path__[0])) or {}
    return textwrap.wrap(", ".join(known), 100, initial_indent="  ", subsequent_indent="  ")


def listed(kind: str) -> list[str]:
    """Heading and lines of one kind. Raises UserError for an unknown kind."""
    if kind == "concepts":
        return ["concepts (nouns that prior=mini knows; prompt=...)", *concept_lines()]
    group = GROUPS.get(kind, kind)
    if not (folder() / group).is_dir():
        groups = sorted(path.name for path in folder().iterdir() if path.is_dir())
        near = nearest(kind, (*KINDS, *groups))
        raise UserError(
            f"list: got '{kind}'{near}; expected one of: {', '.join(KINDS)}, or a group: {', '.join(groups)}"
        )
    return [f"{kind} ({group}=...)" if kind != group else f"{group}=...", *group_lines(group)]


def command(words: Sequence[str]) -> int:
    """Print one list, or all of them. Returns the exit code."""
    if HELP_FLAGS.intersection(words):
        sys.stdout.write(written(__doc__))
        return 0

    def action() -> None:
        parts = ["\n".join(listed(kind)) for kind in words or KINDS]
        sys.stdout.write("\n\n".join(parts) + "\n")

    return reported(action)
