"""``prompts_file=list.txt``: one run a line with the prior loaded once, a gallery and a table at the end.

    # a comment
    a corgi
    a red car seed=3 steps=900      settings of this line, as on the command line

With ``out=folder`` the same command resumes where it was interrupted: finished runs are kept, a partial one resumes.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console

from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.run import config as configuration

if TYPE_CHECKING:
    from dream3d.run.build import PriorOf

WORD = r"[~+]?[A-Za-z_][\w.@/]*=(?:\"[^\"]*\"|'[^']*'|\[[^\]]*\]|\S+)"
OWN = ("prompts_file", "prompt", "out")


@dataclass(frozen=True)
class Entry:
    """One line of the file: its number, the prompt, and the settings that follow it."""

    line: int
    prompt: str
    words: tuple[str, ...] = ()


def entries(text: str) -> list[Entry]:
    """The prompts of a file; empty lines and comments are skipped.

    >>> entries("# two\\n\\na corgi, sitting\\na car seed=3 camera.distance=[2, 3]\\n")[1]
    Entry(line=4, prompt='a car', words=('seed=3', 'camera.distance=[2, 3]'))
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = re.search(rf"((?:\s+{WORD})*)\s*$", f" {line.strip()}")
        tail = words[1] if words else ""
        prompt = line.strip()[: len(line.strip()) - len(tail.strip())].strip()
        found.append(Entry(number, prompt, tuple(word.strip() for word in re.findall(rf"\s+{WORD}", tail))))
    return found


@dataclass(frozen=True)
class Planned:
    """A line with its configuration and folder."""

    entry: Entry
    settings: DictConfig
    folder: Path


def planned(settings: DictConfig, words: Sequence[str]) -> list[Planned]:
    """Compose and validate every line before anything runs. Raises UserError naming the line."""
    from dream3d.run.directory import slug

    file = Path(settings.prompts_file).expanduser()
    try:
        lines = entries(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"prompts_file: got '{file}', expected a text file with one prompt a line") from error
    if not lines:
        raise UserError(f"prompts_file: {file} has no prompt in it; write one a line")
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-prompts"
    root = Path(settings.out).expanduser() if settings.out else Path("outputs") / name
    common = [word for word in words if word.split("=")[0] not in OWN]
    made = []
    for i, entry in enumerate(lines, 1):
        folder = root / f"{i:03d}-{slug(entry.prompt)}"
        try:
            own = composed([*common, *entry.words])
            own.prompt, own.out = entry.prompt, str(folder)
            configuration.check(own)
        except UserError as error:
            raise UserError(f"{file}, line {entry.line}: {error}") from error
        made.append(Planned(entry, own, folder))
    return made


def run_file(settings: DictConfig, words: Sequence[str], console: Console | None = None) -> Path:
    """Run every line, updating the gallery after each. Returns the gallery's page.

    Raises:
        UserError: an invalid line, before anything runs; or, at the end, lines that failed.
        KeyboardInterrupt: after the current run was saved.
    """
    plan = planned(settings, words)
    from dream3d.report.console import say
    from dream3d.report.gallery import write_gallery
    from dream3d.run.shared_prior import Priors

    console, priors, root, failed = console or Console(), Priors(), plan[0].folder.parent, {}
    root.mkdir(parents=True, exist_ok=True)
    for i, item in enumerate(plan):
        if not (item.folder / "run.json").is_file():
            say(console, f"{i + 1}/{len(plan)} {item.entry.prompt} {' '.join(item.entry.words)}".rstrip())
            try:
                carry_out(item, priors, console)
            except UserError as error:
                failed[i] = str(error)
                say(console, f"failed: {error}")
            except KeyboardInterrupt:
                say(console, f"interrupted; rerun with out={root} to resume")
                raise
        index = write_gallery(root, [card(one, failed.get(k)) for k, one in enumerate(plan[: i + 1])])
    say(console, f"gallery: {index}")
    if failed:
        raise UserError(f"{len(failed)} of {len(plan)} prompts failed; {root / 'runs.csv'} says why")
    return index


def carry_out(item: Planned, priors: "PriorOf", console: Console) -> None:
    """One run, resumed if it was interrupted."""
    from dream3d.run.stages import run

    if (item.folder / "checkpoint.pt").is_file():
        word = f"resume={item.folder}"
        run(composed([word]), [word], priors, console)
    else:
        run(item.settings, [], priors, console)


def card(item: Planned, error: str | None) -> dict[str, str]:
    """One row of runs.csv."""
    from dream3d.report.files import facts_of

    facts = facts_of(item.folder / "run.json")
    return {
        "prompt": item.entry.prompt,
        "settings": " ".join(item.entry.words),
        "folder": item.folder.name,
        "seconds": f"{sum(facts['stages'].values()):.1f}" if "stages" in facts else "",
        "warnings": "; ".join(facts.get("warnings", [])),
        "error": error or "",
    }
