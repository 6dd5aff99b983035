import pytest

from dream3d.priors.mini.words import UnknownWord, check, named, nearest

CONCEPTS = {
    "corgi": [],
    "dog": [],
    "truck": [],
    "fire truck": [],
    "flying saucer": ["ufo"],
    "t-rex": ["dinosaur"],
}
VOCABULARY = {
    "a",
    "red",
    "corgi",
    "dog",
    "truck",
    "fire",
    "flying",
    "saucer",
    "ufo",
    "t-rex",
    "dinosaur",
    "low",
    "poly",
}


def test_known_prompts_pass_in_silence():
    for prompt in (
        "a corgi",
        "A red fire truck.",
        "the UFO",
        "low poly t-rex",
        "a photo of a dog".replace("photo of a ", ""),
    ):
        assert check(prompt, CONCEPTS, VOCABULARY) == []


def test_the_longest_phrase_is_the_concept():
    assert named("a red fire truck", CONCEPTS) == [("fire truck", "fire truck")]
    assert named("a dinosaur", CONCEPTS) == [("dinosaur", "t-rex")]
    assert named("a firetruck and trucks", CONCEPTS) == []


@pytest.mark.parametrize(
    ("prompt", "offer"), [("a corgy", "corgi"), ("a red dino saur", "dinosaur"), ("fire truc", "truck")]
)
def test_unknown_nouns_are_errors_that_offer_the_nearest(prompt, offer):
    with pytest.raises(UnknownWord, match=f"nearest it knows: .*{offer}") as caught:
        check(prompt, CONCEPTS, VOCABULARY)
    assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)


def test_a_prompt_far_from_all_gets_examples():
    with pytest.raises(UnknownWord, match=r"one of its 6 things \(corgi, dog"):
        check("zzzzqqq", CONCEPTS, VOCABULARY)
    assert nearest(["zzzzqqq"], CONCEPTS) == []


def test_extra_words_are_named_one_by_one():
    warnings = check("a fluffy red corgi, sleeping", CONCEPTS, VOCABULARY)
    assert [w.split("'")[1] for w in warnings] == ["fluffy", "sleeping"]


def test_two_things_are_too_many():
    assert "'dog' may be lost" in check("a fire truck and a dog", CONCEPTS, VOCABULARY)[-1]
