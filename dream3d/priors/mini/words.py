"""Which words of a prompt the embedded prior knows, and what is near those it does not."""

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from dream3d.errors import UserError

Concepts = Mapping[str, Sequence[str]]
"""concept -> other names of it, as concepts.json has them."""

ARTICLES = frozenset(("a", "an", "the", "of"))


class UnknownWord(UserError, ValueError):
    """The prompt names nothing that the prior knows."""


def concepts_of(folder: Path) -> dict[str, list[str]] | None:
    """The folder's concepts.json, None where there is none."""
    file = folder / "concepts.json"
    return json.loads(file.read_text()) if file.is_file() else None


def normalised(prompt: str) -> str:
    """Lower case, no punctuation at the edges of words, single spaces.

    >>> normalised("A corgi, (low poly)!")
    'a corgi low poly'
    """
    stripped = (word.strip(".,;:!?\"'()[]") for word in prompt.lower().split())
    return " ".join(word for word in stripped if word)


def named(prompt: str, concepts: Concepts) -> list[tuple[str, str]]:
    """(phrase, concept) of what the prompt names, the longest phrase first; no word is used twice.

    >>> named("a fire truck", {"truck": [], "fire truck": ["fire engine"]})
    [('fire truck', 'fire truck')]
    """
    phrases = [(phrase.lower(), concept) for concept, others in concepts.items() for phrase in (concept, *others)]
    rest, found = f" {normalised(prompt)} ".replace(" ", "  "), []
    for phrase, concept in sorted(phrases, key=lambda pair: (-len(pair[0].split()), -len(pair[0]))):
        pattern = " " + phrase.replace(" ", "  ") + " "
        if pattern in rest:
            found.append((phrase, concept))
            rest = rest.replace(pattern, "")
    return found


def nearest(unknown: Sequence[str], concepts: Concepts, n: int = 3) -> list[str]:
    """The n names closest in spelling to any of the words."""
    names = sorted({phrase for concept, others in concepts.items() for phrase in (concept, *others)})
    close = [match for word in unknown for match in difflib.get_close_matches(word, names, n, cutoff=0.55)]
    return list(dict.fromkeys(close))[:n]


def check(prompt: str, concepts: Concepts, vocabulary: Collection[str]) -> list[str]:
    """Warnings, one a line, about the words of the prompt that will have no effect.

    Raises:
        UnknownWord: no concept is named; the message offers the nearest, or a few that exist.
    """
    found = named(prompt, concepts)
    used = {word for phrase, _ in found for word in phrase.split()} | ARTICLES
    extra = [word for word in normalised(prompt).split() if word not in used]
    unknown = [word for word in extra if word not in vocabulary]
    if not found:
        offers = nearest(unknown or extra, concepts)
        near = f"; the nearest it knows: {', '.join(offers)}" if offers else ""
        some = ", ".join(list(concepts)[:8])
        raise UnknownWord(
            f"prompt: got '{prompt}', which names nothing that this prior knows{near}; expected one of its "
            f"{len(concepts)} things ({some}, ...); all: python -m dream3d.priors; other priors know more"
        )
    warnings = [f"prompt: '{word}' is not a word this prior knows; it has no effect" for word in unknown]
    if len(found) > 1:
        others = ", ".join(f"'{phrase}'" for phrase, _ in found[1:])
        warnings.append(f"prompt: this prior makes one thing at a time ('{found[0][0]}'); {others} may be lost")
    return warnings
