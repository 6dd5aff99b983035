"""What the embedded prior may be told: nouns, colours, styles, and the frames around them.

A caption and the set of models it fits are composed together, so that the training target can
average over everything the words leave open.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

COLOURS = {
    "red": (200, 35, 30),
    "orange": (240, 130, 30),
    "yellow": (240, 205, 50),
    "green": (60, 150, 60),
    "blue": (45, 90, 190),
    "purple": (125, 60, 160),
    "pink": (240, 140, 175),
    "brown": (120, 75, 45),
    "black": (35, 35, 38),
    "gray": (128, 128, 130),
    "white": (235, 235, 235),
}
STYLES = ("low poly", "voxel", "realistic", "cartoon")
FRAMES = ("a {}", "a {}", "{}", "a photo of a {}", "a 3d render of a {}", "a 3d model of a {}", "the {}")
COLOURED = 0.6  # share of captions that may name a colour (where a model can have it)
ALWAYS_TRAINED = {("red", "car")}


def held_out(colour: str, noun: str) -> bool:
    """A fixed tenth of the (colour, noun) pairs is never trained together: they test composition."""
    return (colour, noun) not in ALWAYS_TRAINED and zlib.crc32(f"{colour} {noun}".encode()) % 10 == 0


def fits_colour(card: dict[str, Any], colour: str) -> bool:
    """Can this model be shown in this colour, by nature or by tinting?"""
    return bool(card["recolor"]) or card["color"] == colour


def compose(cards: Sequence[dict[str, Any]], rng: np.random.Generator) -> tuple[str, str | None, list[int]]:
    """A caption for one concept's models: (caption, colour word or None, the indices it fits, in order)."""
    noun = str(rng.choice(cards[0]["nouns"]))
    fitting, words, colour = list(range(len(cards))), [noun], None
    if rng.random() < COLOURED:
        named = str(rng.choice(list(COLOURS)))
        coloured = [i for i in fitting if fits_colour(cards[i], named)]
        if coloured and not held_out(named, cards[0]["concept"]):
            fitting, colour, words = coloured, named, [named, *words]
    if rng.random() < 0.12:
        style = str(rng.choice(STYLES))
        styled = [i for i in fitting if cards[i]["style"] == style]
        if styled:
            fitting, words = styled, [style, *words]
    return str(rng.choice(FRAMES)).format(" ".join(words)), colour, fitting


def vocabulary(cards: Sequence[dict[str, Any]]) -> list[str]:
    """Every word a caption can have, sorted."""
    texts = [*COLOURS, *STYLES, *(f.format("") for f in FRAMES)]
    texts += [noun for card in cards for noun in card["nouns"]]
    return sorted({word for text in texts for word in text.split()})
