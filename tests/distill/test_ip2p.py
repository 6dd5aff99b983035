from dataclasses import replace

import pytest
import torch

from dream3d.distill.ip2p import guided_by_both, ip2p
from dream3d.distill.sds import sds
from dream3d.distill.weight import sigma_squared, uniform
from dream3d.priors.gaussian import Gaussian

PICTURE = torch.tensor([0.4, 0.6, -1.0, 0.3], dtype=torch.float64)


class Editing(Gaussian):
    """Gaussian data whose mean moves by the picture that is shown: N(text + picture, std^2 I)."""

    def eps(self, x_t, t, text):
        shown = torch.zeros_like(x_t) if text.control is None else PICTURE.expand_as(x_t)
        return super().eps(x_t, t, replace(text, cond=text.cond + shown, null=text.null + shown))


def editing_of(plain: Gaussian) -> Editing:
    return Editing(plain.means, plain.std, plain.alpha_bar)


def shown(text):
    return replace(text, control=torch.zeros(len(text.cond), 3, 1, 1))


def test_expected_gradient(world, close, t) -> None:
    """Linear in the mean: null + s_I picture + s_T (cond - null)."""

    def loss(prior, x, times, noise, text):
        return ip2p(editing_of(prior), x, times, noise, shown(text), scale=7.5, image_scale=1.5, weight=sigma_squared)

    got, (_, sigma) = world.mean_gradient(loss, t), world.levels(t)
    mean = world.text(1).null[0] + 1.5 * PICTURE + 7.5 * (world.text(1).cond - world.text(1).null)[0]
    assert close(got, sigma**2 * world.expected_eps(t, mean))


@pytest.mark.parametrize("scales, texts", [((1.0, 1.0), "both"), ((0.0, 0.0), "none"), ((0.0, 1.0), "picture")])
def test_scales_of_nought_and_one_are_plain_predictions(world, scales, texts) -> None:
    prior, x, t, _, text = world.draw(3, 300)
    editing, text = editing_of(prior), shown(text)
    want = {
        "both": editing.eps(x, t, text).cond,
        "picture": editing.eps(x, t, text).null,
        "none": editing.eps(x, t, replace(text, control=None)).null,
    }[texts]
    torch.testing.assert_close(guided_by_both(editing, x, t, text, *scales), want)


def test_a_prior_that_sees_no_picture_gets_sds(world, t) -> None:
    """Then e_image = e_null, and the second scale is classifier-free guidance's."""
    prior, x, times, noise, text = world.draw(5, t)
    got = ip2p(prior, x, times, noise, text, scale=7.5, image_scale=3.0, weight=uniform).grad
    torch.testing.assert_close(got, sds(prior, x, times, noise, text, scale=7.5, weight=uniform).grad)
