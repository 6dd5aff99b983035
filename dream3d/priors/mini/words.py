"""What a prompt means to the embedded prior: one thing, perhaps a colour; and what it says of the rest."""

import difflib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dream3d.errors import UserError
from dream3d.priors.mini.colours import COLOURS, STYLES, SYNONYMS

Concepts = Mapping[str, Sequence[str]]
"""concept -> other names of it, as concepts.json has them."""

EMPTY = frozenset("a an the of some one very photo picture render rendering model 3d single highly detailed".split())
"""Words that change nothing, and need no warning."""
NUMBERS = frozenset("two three four five six seven eight nine ten several many both".split())
MAX_WORDS = 12  # of a caption


class UnknownWord(UserError, ValueError):
    """The prompt names nothing that the prior knows."""


@dataclass(frozen=True)
class Meaning:
    """``phrase`` is how the prompt names the ``concept``; ``colour`` the word for it, None where none is named;
    ``unused`` are the words that have no effect, ``others`` the other things that are named."""

    concept: str
    phrase: str
    colour: str | None
    style: str | None
    unused: tuple[str, ...]
    others: tuple[str, ...]
    plural: bool

    @property
    def caption(self) -> str:
        """The prompt in the words that the prior was trained on.

        >>> Meaning("corgi", "corgi", "red", None, ("fluffy",), (), False).caption
        'a red corgi'
        """
        return " ".join(word for word in ("a", self.colour, self.style, self.phrase) if word)


@dataclass(frozen=True)
class Shape:
    """The latent that a concept is painted from, and whether it takes a named colour."""

    latent: str
    takes_colour: bool


def shapes_of(folder: Path) -> dict[str, Shape]:
    """The folder's shapes.json by concept, empty where there is none."""
    file = folder / "shapes.json"
    return {k: Shape(*v) for k, v in json.loads(file.read_text()).items()} if file.is_file() else {}


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


def singulars(word: str) -> Iterator[str]:
    """What a word may be the plural of.

    >>> list(singulars("wolves")), list(singulars("ponies")), list(singulars("corgis"))
    (['wolve', 'wolf', 'wolfe'], ['ponie', 'pony'], ['corgi'])
    """
    if not word.endswith("s") or word.endswith("ss"):
        return
    yield word[:-1]
    if word.endswith("ies"):
        yield word[:-3] + "y"
    elif word.endswith("ves"):
        yield from (word[:-3] + "f", word[:-3] + "fe")
    elif word.endswith("es"):
        yield word[:-2]


def named(prompt: str, concepts: Concepts) -> list[tuple[str, str]]:
    """(phrase, concept) of what the prompt names, the longest phrase first; no word is used twice.

    >>> named("a fire truck", {"truck": [], "fire truck": ["fire engine"]})
    [('fire truck', 'fire truck')]
    """
    phrases = {
        phrase.lower(): concept for concept, others in reversed(list(concepts.items())) for phrase in (*others, concept)
    }
    rest, found = f" {normalised(prompt)} ".replace(" ", "  "), []
    for phrase, concept in sorted(phrases.items(), key=lambda pair: (-len(pair[0].split()), -len(pair[0]))):
        pattern = " " + phrase.replace(" ", "  ") + " "
        if pattern in rest:
            found.append((phrase, concept))
            rest = rest.replace(pattern, "")
    return found


def singular(prompt: str, concepts: Concepts) -> str:
    """The prompt with each word that is no part of a known name in the singular that is one.

    >>> singular("two corgis and glasses", {"corgi": [], "glasses": []})
    'two corgi and glasses'
    """
    parts = {word for name, others in concepts.items() for phrase in (name, *others) for word in phrase.lower().split()}
    known = parts | COLOURS.keys() | SYNONYMS.keys()
    return " ".join(
        word if word in known else next((one for one in singulars(word) if one in parts), word)
        for word in normalised(prompt).split()
    )


def meaning(prompt: str, concepts: Concepts) -> Meaning | None:
    """What the prompt means, None where it names nothing. Of several things the longest name counts."""
    text = singular(prompt, concepts)
    found = named(text, concepts)
    found = [pair for pair in found if pair[0] not in COLOURS] or found  # the orange of "an orange cat" is no fruit
    if not found:
        return None
    phrase, concept = found[0]
    rest = f" {text} "
    for name, _ in found:
        rest = rest.replace(f" {name} ", " ", 1)
    style = next((style for style in STYLES if f" {style} " in rest), None)
    left = rest.replace(f" {style} ", " ").split() if style else rest.split()
    colours = [SYNONYMS.get(word, word) for word in left if SYNONYMS.get(word, word) in COLOURS]
    first = [word for word in left if SYNONYMS.get(word, word) == colours[0]][:1] if colours else []
    unused = tuple(word for word in left if word not in EMPTY and word not in first)
    several = text != normalised(prompt) or bool(NUMBERS & set(left))
    return Meaning(
        concept, phrase, colours[0] if colours else None, style, unused, tuple(p for p, _ in found[1:]), several
    )


def nearest(unknown: Sequence[str], concepts: Concepts, n: int = 3) -> list[str]:
    """The n names closest in spelling to any of the words."""
    names = sorted({phrase for concept, others in concepts.items() for phrase in (concept, *others)})
    close = [match for word in unknown for match in difflib.get_close_matches(word, names, n, cutoff=0.55)]
    return list(dict.fromkeys(close))[:n]


def prompt_warnings(prompt: str, concepts: Concepts, takes_colour: Collection[str] | None = None) -> list[str]:
    """Warnings, one a line, about what of the prompt will have no effect.

    ``takes_colour`` are the concepts that can be had in a named colour (None: all).

    Raises:
        UnknownWord: no concept is named; the message offers the nearest, or a few that exist.
    """
    meant = meaning(prompt, concepts)
    if meant is None:
        extra = [word for word in normalised(prompt).split() if word not in EMPTY | COLOURS.keys()]
        offers = nearest(extra, concepts)
        near = f"; the nearest it knows: {', '.join(offers)}" if offers else ""
        some = ", ".join(list(concepts)[:8])
        raise UnknownWord(
            f"prompt: got '{prompt}', which names nothing that this prior knows{near}; expected one of its "
            f"{len(concepts)} things ({some}, ...); all: python -m dream3d list concepts; other priors know more"
        )
    ignored = [word for word in meant.unused if word not in NUMBERS and word != "and"]
    warnings = [f"prompt: '{word}' is not a word this prior knows; it has no effect" for word in ignored]
    if meant.plural or "and" in meant.unused:
        warnings.append(f"prompt: this prior makes one thing at a time; here one {meant.concept}")
    if meant.others:
        others = ", ".join(f"'{phrase}'" for phrase in meant.others)
        warnings.append(f"prompt: this prior makes one thing at a time ('{meant.phrase}'); {others} will be missing")
    if meant.colour and takes_colour is not None and meant.concept not in takes_colour:
        warnings.append(f"prompt: this prior's {meant.concept} keeps its own colours; '{meant.colour}' has no effect")
    return warnings
