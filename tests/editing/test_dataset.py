import pytest
import torch
from pairs import render_of

from dream3d.contracts import ReferenceView
from dream3d.editing.dataset import DatasetUpdate, nothing
from dream3d.priors.gaussian import Gaussian
from dream3d.seeding import generator
from dream3d.types import Conditioning, Image

SIZE = 16
TARGET, NULL = torch.full((3, SIZE, SIZE), 0.3), torch.full((3, SIZE, SIZE), 0.1)


class Painter(Gaussian):
    """Pictures N(m, std^2 I), m the prompt's plus a fifth of the picture that is shown."""

    def eps(self, x_t, t, text):
        shown = 0.0 if text.control is None else 0.2 * text.control
        words = Conditioning(text.cond + shown, text.null + shown)
        return super().eps(x_t, t, words)

    def decode(self, x):
        return x.permute(0, 2, 3, 1)


def told(camera) -> Conditioning:
    return Conditioning(TARGET[None], NULL[None])


def dataset(**knobs) -> DatasetUpdate:
    prior = Painter({"": NULL, "a": TARGET}, std=0.01)
    given = {"views": 8, "size": SIZE, "every": 3, "patch_weight": 0.0, "scale": 1.0, "image_scale": 1.0}
    return DatasetUpdate(prior=prior, text=told, **{**given, **knobs})


def grey(camera) -> Image:
    return Image(torch.full((1, SIZE, SIZE, 3), 0.5), torch.ones(1, SIZE, SIZE, 1))


def test_a_narrow_prior_paints_its_mean(monkeypatch) -> None:
    """s_I = s_T = 1: N(prompt + a fifth of the source's picture); other scales extrapolate, as all is linear."""
    data = dataset(t_min=0.98)
    data.start(grey)
    got = data.edited(grey(None), 0, generator(0, 0, "x"))
    torch.testing.assert_close(got, torch.full_like(got, 0.3 + 0.1), atol=0.01, rtol=0)
    strong = dataset(t_min=0.98, scale=2.0, image_scale=3.0)
    strong.start(grey)
    got = strong.edited(grey(None), 0, generator(0, 0, "x"))
    torch.testing.assert_close(got, torch.full_like(got, 0.1 + 3 * 0.1 + 2 * 0.2), atol=0.02, rtol=0)


def test_every_camera_has_its_turn_and_one_in_three_steps_updates_its_picture() -> None:
    data = dataset()
    data.start(grey)
    assert isinstance(data, ReferenceView)
    assert {data.at(step) for step in range(48) if step % 3} == set(range(8))
    assert sorted(dataset(views=24, every=10).at(10 * k) for k in range(24)) == list(range(24)), "updates reach all"
    before = data.pictures.clone()
    for step in (1, 2):
        data.losses(
            render_of(torch.full((1, SIZE, SIZE, 3), 0.5), torch.ones(1, SIZE, SIZE)), step, generator(0, 0, "x")
        )
    assert torch.equal(data.pictures, before)
    data.losses(grey_render(), 3, generator(0, 0, "x"))
    changed = (data.pictures != before).flatten(1).any(1)
    assert changed.nonzero().flatten().tolist() == [data.at(3)]
    assert torch.equal(data.originals, before)
    assert torch.equal(data.camera(3, 64).azimuth, data.ring.azimuth[data.at(3) : data.at(3) + 1])


def test_the_loss_is_l1_over_white_with_a_gradient() -> None:
    data = dataset(rgb_weight=2.0)
    data.start(grey)
    colour = torch.full((1, SIZE, SIZE, 3), 0.1, requires_grad=True)
    losses = data.losses(render_of(colour, torch.full((1, SIZE, SIZE), 0.8)), 1, generator(0, 0, "x"))
    torch.testing.assert_close(losses["rgb"], torch.tensor(2 * 0.2))
    losses["rgb"].backward()
    assert float(colour.grad.sum()) == pytest.approx(-2.0)
    assert set(dataset(patch_weight=1.0).losses(grey_render(), 1, generator(0, 0, "x"))) == {"rgb", "patch"}


def grey_render():
    return render_of(torch.full((1, SIZE, SIZE, 3), 0.5), torch.ones(1, SIZE, SIZE))


def test_pictures_go_into_checkpoints() -> None:
    data, other = dataset(), dataset()
    data.start(grey)
    data.losses(grey_render(), 0, generator(0, 0, "x"))
    other.load_state_dict(data.state_dict())
    assert torch.equal(other.pictures, data.pictures) and torch.equal(other.originals, data.originals)


def test_a_prior_without_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="prior that cannot decode"):
        DatasetUpdate(prior=Gaussian({"": NULL}, std=0.1), text=told)


def test_nothing_is_no_gradient() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    prior = Gaussian({}, std=0.1)
    result = nothing(prior, x, torch.zeros(2), x, Conditioning(x.detach(), x.detach()))
    result.loss.backward()
    assert float(x.grad.abs().sum()) == 0
