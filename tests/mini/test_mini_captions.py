import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import ball, library
from captions import ALWAYS_TRAINED, LOOSE, VARIANTS, held_out, make_jobs, vocabulary
from models import Concept, Library, model_of
from scenes import box

from dream3d.priors.mini.colours import COLOURS
from dream3d.priors.mini.pipeline import UNKNOWN, word_tokenizer

LATENTS = ("ball", "cube")
JOBS = make_jobs(library(), LATENTS, 1500, np.random.default_rng(0))


def test_held_out_pairs_are_a_tenth_and_never_composed():
    pairs = [(colour, noun) for colour in COLOURS for noun in ("ball", "globe", "box", "car", "dog", "tree", "house")]
    assert 0.03 < np.mean([held_out(*pair) for pair in pairs]) < 0.25
    assert not any(held_out(*pair) for pair in ALWAYS_TRAINED)
    concept = {"ball": "ball", "globe": "ball", "box": "box"}
    composed = {
        (colour, concept[noun])
        for job in JOBS for caption in job.captions for colour in COLOURS for noun in concept
        if {colour, noun} <= set(caption.split())
    }  # fmt: skip
    assert len(composed) > 10 and not [pair for pair in composed if held_out(*pair)]
    assert [pair for pair in ((c, "ball") for c in COLOURS) if held_out(*pair)]


def test_what_the_words_leave_open_is_the_typical_model():
    of_ball = [job for job in JOBS if any("ball" in c or "globe" in c for c in job.captions)]
    tight = [job for job in of_ball if job.latent is not None]
    assert {job.model for job in tight} == {"ball"} and {job.model for job in of_ball} == {"ball", "small ball"}
    assert np.mean([job.latent is None for job in of_ball]) == pytest.approx(LOOSE, abs=0.04)
    assert len(of_ball) == 750  # as often as the box


def test_a_colour_is_named_where_it_can_be_shown():
    for job in JOBS:
        named = [[c for c in COLOURS if c in caption.split()] for caption in job.captions]
        assert len(job.captions) == VARIANTS and all(n == named[0] for n in named)
        assert named[0] == ([job.colour] if job.colour else [])
        assert job.model != "cube" or job.colour is None


def test_a_model_of_that_colour_needs_no_paint():
    red = model_of("red box", box(), recolour=False)
    red = type(red)(**{**{k: getattr(red, k) for k in red.__dataclass_fields__}, "colour": "yellow", "style": "voxel"})
    boxes = Library({"cube": library().models["cube"], "red box": red}, {"box": Concept((), ("cube", "red box"))})
    jobs = [j for j in make_jobs(boxes, LATENTS, 800, np.random.default_rng(1)) if "yellow" in j.captions[0]]
    assert jobs and {(job.model, job.colour, job.latent) for job in jobs} == {("red box", None, None)}
    assert any("voxel" in caption for job in jobs for caption in job.captions)
    assert not any("voxel" in job.captions[0] for job in jobs)


def test_every_word_has_a_token():
    words = vocabulary(library().concepts)
    tokenizer = word_tokenizer(words)
    assert words == sorted(set(words)) and {"ball", "globe", "box", "red", "photo", "voxel"} <= set(words)
    seen = {token for job in JOBS for caption in job.captions for token in tokenizer.tokenize(caption)}
    assert UNKNOWN not in seen
    assert ball().name in words
