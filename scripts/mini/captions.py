"""What the network is told in training, and what it is then shown: captions and the models that they fit."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from models import Concept, Library

from dream3d.priors.mini.colours import COLOURS, STYLES
from dream3d.priors.mini.pipeline import word_tokenizer

FRAMES = ("a {}", "a {}", "{}", "a photo of a {}", "a 3d render of a {}", "a 3d model of a {}", "the {}")
VARIANTS = 4  # captions of a job; the first is the plainest
COLOURED = 0.5  # fraction of jobs that may name a colour
STYLED = 0.1  # fraction of captions that name the style of what is shown
LOOSE = 0.2  # fraction of jobs that show any model of the noun, with nothing painted
ALWAYS_TRAINED = {("red", "car")}


@dataclass(frozen=True)
class Job:
    """Views of one model: in a named ``colour`` if it takes it (None: its own), painted from a latent or not."""

    model: str
    latent: str | None
    colour: str | None
    captions: tuple[str, ...]


def held_out(colour: str, noun: str) -> bool:
    """A fixed tenth of the (colour, concept) pairs is never trained together, under any name of the concept: they
    test composition."""
    return (colour, noun) not in ALWAYS_TRAINED and zlib.crc32(f"{colour} {noun}".encode()) % 10 == 0


def names_of(noun: str, concept: Concept) -> list[str]:
    return [noun, *concept.aliases]


def vocabulary(concepts: dict[str, Concept]) -> list[str]:
    """Every word that a caption can have, as the tokenizer splits it, sorted."""
    texts = [*COLOURS, *STYLES, *(frame.format("") for frame in FRAMES)]
    texts += [name for noun, concept in concepts.items() for name in names_of(noun, concept)]
    normalizer = word_tokenizer([]).backend_tokenizer.normalizer
    assert normalizer is not None
    return sorted({word for text in texts for word in normalizer.normalize_str(text).split()})


def make_jobs(library: Library, latents: Iterable[str], count: int, rng: np.random.Generator) -> list[Job]:
    """Jobs that go through all nouns again and again, each time in another order.

    What the words leave open is the most typical model that fits, so that the answer at high noise is one thing and not
    a blend of several; a fraction of jobs is loose.
    """
    there, jobs, order = set(latents), [], []
    while len(jobs) < count:
        order = order or list(rng.permutation(list(library.concepts)))
        jobs.append(make_job(library, str(order.pop()), there, rng))
    return jobs


def make_job(library: Library, noun: str, latents: set[str], rng: np.random.Generator) -> Job:
    concept = library.concepts[noun]
    fitting, colour = list(concept.models), None
    if rng.random() < COLOURED:
        named = str(rng.choice(list(COLOURS)))
        able = [m for m in fitting if library.models[m].takes_colour or library.models[m].colour == named]
        if able and not held_out(named, noun):
            fitting, colour = able, named
    loose = rng.random() < LOOSE
    model = library.models[fitting[int(rng.integers(len(fitting))) if loose else 0]]
    captions = []
    for variant in range(VARIANTS):
        plain = variant == 0
        name = noun if plain or rng.random() < 0.5 else str(rng.choice(names_of(noun, concept)))
        style = model.style if model.style in STYLES and not plain and rng.random() < STYLED else None
        words = " ".join(word for word in (colour, style, name) if word)
        captions.append(FRAMES[0 if plain else int(rng.integers(len(FRAMES)))].format(words))
    latent = None if loose or model.name not in latents else model.name
    return Job(model.name, latent, colour if model.takes_colour else None, tuple(captions))
