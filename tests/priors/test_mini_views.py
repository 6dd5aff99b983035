import json

import numpy as np
import pytest
import torch
from scenes import box, sphere

from dream3d.cameras import flatten, orbit
from dream3d.priors.mini.captions import COLOURS, compose, fits_colour, held_out, vocabulary
from dream3d.priors.mini.pipeline import new_mini, widen
from dream3d.priors.mini.views import TYPICAL, Views, mirrored, posterior_mean, probabilities, recoloured
from dream3d.render.reference import Reference
from dream3d.types import Mesh

CARD = {"concept": "car", "nouns": ["car", "auto"], "style": "low poly", "color": "blue", "recolor": True,
        "symmetric": False, "weight": 1, "number": 0}  # fmt: skip


def test_a_mirrored_camera_sees_the_mirror_image_mirrored():
    camera = orbit(torch.tensor([0.6]), torch.tensor([0.3]), torch.tensor([3.0]), torch.tensor([0.7]), 32)
    mesh = box()
    flipped = Mesh(mesh.vertices * torch.tensor([-1.0, 1.0, 1.0]), mesh.faces, mesh.colours)
    other = torch.from_numpy(mirrored(flatten(camera)[0].numpy()))[None]
    assert torch.det(other[0, :16].view(4, 4)).item() == pytest.approx(1, abs=1e-5)
    from dream3d.cameras import unflatten

    seen = Reference(flipped).picture(unflatten(other, 32), ambient=1.0).colour
    expected = Reference(mesh).picture(camera, ambient=1.0).colour.flip(2)
    assert float((seen - expected).abs().mean()) < 2e-3


def test_the_first_model_is_the_most_probable():
    assert probabilities(1).tolist() == [1.0]
    p = probabilities(3)
    assert p[0].item() == pytest.approx(TYPICAL) and p.sum().item() == pytest.approx(1)


def test_posterior_mean_has_the_right_limits():
    candidates, p = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([0.7, 0.3])
    near = posterior_mean(torch.tensor([0.9, 0.9]), candidates, p, 1.0, 0.05)
    assert torch.allclose(near, candidates[1], atol=1e-4)
    far = posterior_mean(torch.zeros(2), candidates, p, 1e-4, 1.0)
    assert torch.allclose(far, torch.full((2,), 0.3), atol=1e-3)
    # closed form for two points on a line: a logistic function of x_t
    x, alpha, sigma = torch.tensor([0.3, 0.1]), 0.7, 0.5
    odds = float(((x - 0).square().sum() - (x - alpha).square().sum()) / (2 * sigma**2)) + np.log(0.3 / 0.7)
    exact = 1 / (1 + np.exp(-odds))
    assert posterior_mean(x, candidates, p, alpha, sigma)[0].item() == pytest.approx(exact, rel=1e-5)


def test_recolouring_changes_the_tintable_part_only():
    view = np.zeros((1, 1, 2, 8), dtype=np.uint8)
    view[0, 0, 0] = [0, 0, 200, 255, 0, 0, 200, 127]  # all blue and tintable
    view[0, 0, 1] = [90, 90, 90, 255, 0, 0, 0, 0]  # a grey wheel
    red = recoloured(view, "red", np.array([True]))[0, 0]
    assert np.allclose(red[0, :3], np.array(COLOURS["red"]) / 255, atol=0.01)
    assert np.allclose(red[1, :3], 90 / 255, atol=1e-3)
    assert np.array_equal(recoloured(view, "red", np.array([False]))[0, 0, 0, :3] * 255, [0, 0, 200])


def test_captions_never_pair_what_is_held_out():
    rng = np.random.default_rng(0)
    captions = [compose([CARD], rng) for _ in range(4000)]
    pairs = {colour for _, colour, _ in captions if colour}
    assert "red" in pairs and len(pairs) > 6
    assert all(not held_out(colour, "car") for colour in pairs)
    held = [(c, n) for c in COLOURS for n in ("car", "chair", "tree", "mug", "bed", "bus") if held_out(c, n)]
    assert 2 <= len(held) <= 14


def test_colour_words_only_go_to_models_that_can_have_them():
    plain = {**CARD, "recolor": False}
    assert fits_colour(plain, "blue") and not fits_colour(plain, "green") and fits_colour(CARD, "green")
    rng = np.random.default_rng(0)
    for _ in range(500):
        _, colour, fitting = compose([plain, CARD], rng)
        assert fitting == ([1] if colour not in (None, "blue") else [0, 1]) or colour is None or colour == "blue"


def test_every_caption_word_is_in_the_vocabulary():
    words, rng = set(vocabulary([CARD])), np.random.default_rng(1)
    for _ in range(300):
        assert set(compose([CARD], rng)[0].split()) <= words


def test_widening_keeps_what_was_known():
    torch.manual_seed(0)
    mini = new_mini(["a", "car"], width=16, image_size=16)
    with torch.no_grad():
        before = mini.embed(["a car"])
        widen(mini, ["a", "zebra", "car"])
        assert torch.allclose(mini.embed(["a car"]), before)
    assert "zebra" in mini.tokenizer.get_vocab()


@pytest.fixture
def folder(tmp_path):
    views, cameras = [], []
    for mesh in (box(), sphere()):
        camera = orbit(torch.tensor([0.5]), torch.tensor([0.2]), torch.tensor([3.0]), torch.tensor([0.7]), 16)
        image = Reference(mesh).picture(camera)
        rgba = torch.cat((image.colour, image.alpha), -1)[0]
        views.append((torch.cat((rgba, torch.zeros(16, 16, 4)), -1) * 255).byte().numpy())
        cameras.append(flatten(camera).numpy())
    kinds = {"asset": np.array([0, 1]), "group": np.array([0, 0])}
    np.savez(tmp_path / "views-000.npz", views=np.stack(views), camera=cameras[0], **kinds)
    cards = [{**CARD, "number": i, "recolor": False, "color": None} for i in range(2)]
    (tmp_path / "assets.json").write_text(json.dumps(cards))
    return tmp_path


def test_batches_are_seeded_and_their_targets_lie_between_the_candidates(folder):
    views = Views(folder)
    alpha_bar = torch.linspace(0.999, 0.001, 1000)
    a, b = (views.batch(8, alpha_bar, (0, 3)) for _ in range(2))
    assert torch.equal(a.x_t, b.x_t) and a.captions == b.captions
    assert a.x0.min() >= -1 and a.x0.max() <= 1
    assert a.t.tolist() == sorted(a.t.tolist())  # stratified
    other = views.batch(8, alpha_bar, (0, 4))
    assert not torch.equal(a.x_t, other.x_t)


def test_no_views_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="render_views"):
        Views(tmp_path)
