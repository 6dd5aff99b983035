import zipfile
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from dream3d.priors.mini import words
from dream3d.priors.mini.words import UnknownWord, concepts_of, meaning, named, nearest, prompt_warnings, shapes_of

CONF = Path(__file__).parents[2] / "conf"

CONCEPTS = {
    "corgi": [],
    "dog": [],
    "truck": [],
    "fire truck": [],
    "flying saucer": ["ufo"],
    "t-rex": ["dinosaur"],
}


def test_known_prompts_pass_in_silence():
    for prompt in (
        "a corgi",
        "A red fire truck.",
        "the UFO",
        "low poly t-rex",
        "a photo of a dog",
        "a golden corgi",
    ):
        assert prompt_warnings(prompt, CONCEPTS) == []


def test_the_longest_phrase_is_the_concept():
    assert named("a red fire truck", CONCEPTS) == [("fire truck", "fire truck")]
    assert named("a dinosaur", CONCEPTS) == [("dinosaur", "t-rex")]
    assert named("a firetruck and trucks", CONCEPTS) == []
    assert meaning("a truck beside a fire truck", CONCEPTS).concept == "fire truck"


@pytest.mark.parametrize(
    ("prompt", "offer"), [("a corgy", "corgi"), ("a red dino saur", "dinosaur"), ("fire truc", "truck")]
)
def test_unknown_nouns_are_errors_that_offer_the_nearest(prompt, offer):
    with pytest.raises(UnknownWord, match=f"nearest it knows: .*{offer}") as caught:
        prompt_warnings(prompt, CONCEPTS)
    assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)


def test_a_prompt_far_from_all_gets_examples():
    with pytest.raises(UnknownWord, match=r"one of its 6 things \(corgi, dog"):
        prompt_warnings("zzzzqqq", CONCEPTS)
    assert nearest(["zzzzqqq"], CONCEPTS) == []


def test_extra_words_are_named_one_by_one():
    warnings = prompt_warnings("a fluffy red corgi, sleeping", CONCEPTS)
    assert [w.split("'")[1] for w in warnings] == ["fluffy", "sleeping"]


def test_two_things_are_too_many():
    assert "'dog' will be missing" in prompt_warnings("a fire truck and a dog", CONCEPTS)[-1]


def test_plurals_mean_one_thing_and_say_so():
    meant = meaning("two corgis", CONCEPTS)
    assert (meant.concept, meant.caption, meant.plural) == ("corgi", "a corgi", True)
    assert prompt_warnings("two corgis", CONCEPTS) == ["prompt: this prior makes one thing at a time; here one corgi"]
    assert meaning("a pair of glasses", {"glasses": []}).plural is False


def test_colours_materials_and_their_synonyms():
    assert meaning("a grey corgi", CONCEPTS).caption == "a gray corgi"
    assert meaning("a gold fire truck", CONCEPTS).colour == "golden"
    assert meaning("a low poly red dinosaur", CONCEPTS).caption == "a red low poly dinosaur"
    fruit = {"orange": [], "cat": []}
    assert meaning("an orange", fruit).colour is None and meaning("an orange cat", fruit).caption == "a orange cat"
    assert prompt_warnings("a red corgi", CONCEPTS, takes_colour=["dog"])[0].endswith("'red' has no effect")
    assert prompt_warnings("a red dog", CONCEPTS, takes_colour=["dog"]) == []


def test_the_benchmarks_need_no_warning():
    """Every prompt of mini40 and mini60 names one known thing, and a colour only where the thing takes it."""
    folder = Path(words.__file__).parent
    concepts, shapes = concepts_of(folder), shapes_of(folder)
    takes_colour = [name for name, shape in shapes.items() if shape.takes_colour]
    asked = {
        name: [
            p
            for group in OmegaConf.load(CONF / f"benchmark/{name}.yaml").prompts.values()
            for row in group
            for p in row
        ]
        for name in ("mini40", "mini60")
    }
    assert len(set(asked["mini60"])) == 60 and len(set(asked["mini40"])) == 40
    assert {p: w for p in asked["mini60"] if (w := prompt_warnings(p, concepts, takes_colour))} == {}
    assert {p: w for p in asked["mini40"] if (w := prompt_warnings(p, concepts))} == {}


def test_every_concept_has_a_shape():
    folder = Path(words.__file__).parent
    concepts, shapes = concepts_of(folder), shapes_of(folder)
    with zipfile.ZipFile(folder / "latents.npz") as archive:
        packed = {name.removesuffix(".q.npy") for name in archive.namelist() if name.endswith(".q.npy")}
    assert concepts.keys() == shapes.keys() and {shape.latent for shape in shapes.values()} == packed
    assert len(concepts) > 1000
