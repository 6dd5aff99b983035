"""View words, Perp-Neg weights and the table, against the definitions written out per camera."""

import math

import pytest
import torch

from dream3d.cameras import flatten, orbit
from dream3d.errors import UserError
from dream3d.prompts import BACK, FRONT, OVERHEAD, SIDE, PerpNeg, PromptEmbeddings, ViewDependentPrompts


class Echo:
    """A prior whose embedding of a text is its number in the order of embedding; counts calls."""

    def __init__(self, camera_conditioned=False):
        self.camera_conditioned, self.seen, self.calls = camera_conditioned, [], 0

    alpha_bar, resolution = torch.ones(10), 8

    def encode(self, image, background, generator=None):
        return image.over(background)

    def eps(self, x_t, t, text):
        raise NotImplementedError

    def embed(self, prompts):
        self.calls += 1
        self.seen += prompts
        return torch.eye(len(prompts))[:, None]


def cameras(*angles):
    """Cameras at (azimuth, elevation) in degrees."""
    azimuth, elevation = (torch.tensor([math.radians(a[i]) for a in angles]) for i in range(2))
    return orbit(azimuth, elevation, torch.full_like(azimuth, 3.0), torch.full_like(azimuth, 0.7), 8)


def test_facing_at_and_around_the_thresholds():
    facing = ViewDependentPrompts().facing(
        cameras(
            (0, 0),
            (44, 0),
            (-44, 0),
            (46, 0),
            (-90, 0),
            (134, 0),
            (136, 0),
            (180, 0),
            (-136, 0),
            (0, 61),
            (180, 89),
            (0, 59),
        )
    )
    expected = [FRONT, FRONT, FRONT, SIDE, SIDE, SIDE, BACK, BACK, BACK, OVERHEAD, OVERHEAD, FRONT]
    assert facing.tolist() == expected


def test_facing_does_not_mind_full_turns():
    assert ViewDependentPrompts().facing(cameras((360, 0), (540, 0), (-270, 0))).tolist() == [
        FRONT,
        BACK,
        SIDE,
    ]


def test_blend_is_linear_in_azimuth():
    shares = ViewDependentPrompts(interpolate=True).blend(
        cameras((0, 0), (45, 0), (-90, 0), (135, 0), (180, 0), (10, 80))
    )
    expected = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 1, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert torch.allclose(shares, torch.tensor(expected, dtype=torch.float32), atol=1e-5)
    assert torch.equal(ViewDependentPrompts(overhead_above=180.0).blend(cameras((0, 90)))[:, OVERHEAD], torch.zeros(1))


def test_perp_neg_weights_follow_the_formulas():
    angles = [0, 30, -60, 89, 100, -150, 180]
    which, weights = PerpNeg().negatives(cameras(*((a, 0) for a in angles)), ViewDependentPrompts())
    for angle, texts, weight in zip(angles, which.tolist(), weights.tolist(), strict=True):
        a = abs(angle) / 90
        if a < 1:
            r = 1 - a
            expected = [4 * math.exp(-0.5 * r) - 2.426, 4 * math.exp(-0.5 * (1 - r)) - 2.426]
            assert texts == [FRONT, SIDE]
        else:
            r = 2 - a
            expected = [math.exp(-0.5 * r) - 0.606, math.exp(-0.5 * r) + 0.967]
            assert texts == [SIDE, FRONT]
        assert weight == pytest.approx([-e for e in expected], abs=1e-5)


def test_perp_neg_pushes_nothing_away_where_it_is_right():
    _, weights = PerpNeg().negatives(cameras((0, 0), (90.001, 0), (20, 70)), ViewDependentPrompts())
    assert abs(weights[0, 0]) < 1e-3 and abs(weights[1, 0]) < 1e-3
    assert torch.equal(weights[2], torch.zeros(2)) and (weights[0, 1] < -1)


def test_every_text_is_embedded_once():
    prior = Echo()
    table = PromptEmbeddings(prior, "a corgi", "blurry", ViewDependentPrompts(), contrast="ugly")
    for _ in range(3):
        text = table(cameras((0, 0), (180, 0)))
    assert prior.calls == 1
    assert prior.seen == [
        "a corgi, front view", "a corgi, side view", "a corgi, back view", "a corgi, overhead view",
        "a corgi", "blurry", "ugly",
    ]  # fmt: skip
    rows = [text.cond, text.plain, text.null, text.contrast]
    assert [row[:, 0].argmax(-1).tolist() for row in rows] == [[0, 2], [4, 4], [5, 5], [6, 6]]


def test_camera_goes_along():
    views = cameras((10, 20), (30, 40))
    text = PromptEmbeddings(Echo(), "a corgi")(views)
    assert torch.equal(text.camera, flatten(views)) and text.camera.shape == (2, 17)


def test_a_prior_that_is_told_the_camera_gets_the_plain_prompt():
    prior = Echo(camera_conditioned=True)
    text = PromptEmbeddings(prior, "a corgi", views=ViewDependentPrompts(), perp_neg=PerpNeg())(
        cameras((0, 0), (180, 0))
    )
    assert prior.seen == ["a corgi", ""]
    assert text.negatives is None and torch.equal(text.cond[0], text.cond[1])


def test_interpolated_and_perp_neg_tables():
    views = cameras((45, 0), (120, 0))
    text = PromptEmbeddings(Echo(), "a corgi", views=ViewDependentPrompts(interpolate=True))(views)
    assert torch.allclose(text.cond[:, 0, :4], torch.tensor([[0.5, 0.5, 0, 0], [0, 2 / 3, 1 / 3, 0]]), atol=1e-6)
    text = PromptEmbeddings(Echo(), "a corgi", views=ViewDependentPrompts(), perp_neg=PerpNeg())(views)
    assert torch.allclose(text.cond[:, 0, :4], torch.tensor([[0.5, 0.5, 0, 0], [0, 2 / 3, 1 / 3, 0]]), atol=1e-6)
    assert text.negatives.shape == (2, 2, 1, 6) and text.weights.shape == (2, 2)
    assert text.negatives[:, :, 0].argmax(-1).tolist() == [[FRONT, SIDE], [SIDE, FRONT]]


def test_templates_may_go_in_front():
    words = ViewDependentPrompts(front="front view of {}")
    assert words.prompts("a {strange} corgi")[0] == "front view of a {strange} corgi"


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match=r"views.front: got 'front', expected \{\}"):
        ViewDependentPrompts(front="front")
    with pytest.raises(ValueError, match="sum <= 180"):
        ViewDependentPrompts(front_within=120.0, back_within=90.0)
    with pytest.raises(UserError, match="empty text"):
        PromptEmbeddings(Echo(), "  ")
    with pytest.raises(UserError, match=r"needs prompts.views"):
        PromptEmbeddings(Echo(), "a corgi", perp_neg=PerpNeg())


def test_debiased_prompts_take_the_place_of_the_one():
    prior, words = Echo(), {"front": "a smiling dog", "side": "a dog", "back": "a dog", "overhead": "dog"}
    table = PromptEmbeddings(
        prior, "a smiling dog", views=ViewDependentPrompts(), debias=lambda prompt: list(words.values())
    )
    expected = [f"{text}, {view} view" for view, text in words.items()]
    assert table.prompts == [*expected, "a smiling dog"]
    assert table.notes == [f"debiased prompts: {'; '.join(expected)}"]
    with pytest.raises(UserError, match=r"prompts\.debias needs prompts\.views"):
        PromptEmbeddings(prior, "a dog", debias=lambda prompt: [prompt] * 4)


def test_a_prior_that_is_told_the_camera_needs_no_debiasing():
    assert (
        PromptEmbeddings(Echo(camera_conditioned=True), "a dog", views=ViewDependentPrompts(), debias=pytest.fail).notes
        == []
    )
