"""Backgrounds broadcast to pictures, learn where they should, and follow their generator."""

import math

import pytest
import torch

from dream3d.cameras import pixel_rays, turntable
from dream3d.render.background import Environment, LearnedColour, RandomColour, Solid
from dream3d.types import Image

RAYS = pixel_rays(turntable(3, 0.2, 3.0, math.radians(40), 5))


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("background", [Solid(), RandomColour(), LearnedColour(), Environment()])
def test_every_background_shows_where_nothing_covers_it(background):
    empty = Image(torch.zeros(3, 5, 5, 3), torch.zeros(3, 5, 5, 1))
    for generator in (None, rng(0)):
        colour = background(RAYS, generator)
        picture = empty.over(colour)
        assert picture.shape == (3, 5, 5, 3) and 0 <= picture.min() and picture.max() <= 1
        torch.testing.assert_close(picture, colour.expand(3, 5, 5, 3))


def test_solid_is_its_colour():
    assert Solid(colour=[0.25, 0.5, 1.0])(RAYS).flatten().tolist() == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(("channels", "mean", "variance"), [(3, 0.5, 1 / 12), (4, 0.0, 1.0)])
def test_random_is_one_uniform_colour_a_view_and_latents_are_normal(channels, mean, variance):
    background = RandomColour(channels=channels)
    assert background(RAYS, rng(1)).shape == (3, 1, 1, channels)
    assert torch.equal(background(RAYS, rng(1)), background(RAYS, rng(1)))
    many = torch.cat([background(RAYS, rng(i)) for i in range(500)]).flatten()
    assert abs(many.mean() - mean) < 0.04 * variance**0.5
    assert abs(many.var() / variance - 1) < 0.06
    assert (background(RAYS, None) == mean).all()


def test_latents_have_no_sigmoid():
    learned = LearnedColour(colour=[-2.0, 0.0, 3.0, 1.0])
    assert learned(RAYS).flatten().tolist() == [-2.0, 0.0, 3.0, 1.0]
    environment = Environment(channels=4)
    with torch.no_grad():
        environment.net[-1].bias.fill_(-2.0)
    assert (environment(RAYS) == -2.0).all()


def test_learned_colour_starts_where_told_and_follows_its_gradient():
    background = LearnedColour(colour=[0.2, 0.5, 0.9])
    torch.testing.assert_close(background(RAYS).flatten(), torch.tensor([0.2, 0.5, 0.9]))
    background(RAYS).sum().backward()
    assert (background.logit.grad > 0).all()
    with pytest.raises(ValueError, match="inside"):
        LearnedColour(colour=[0.0, 0.5, 1.0])


def test_environment_starts_grey_and_learns_a_sky():
    torch.manual_seed(0)
    background = Environment()
    assert (background(RAYS) == 0.5).all()
    target = RAYS.direction[..., 1:2].expand(3, 5, 5, 3) * 0.5 + 0.5
    optimizer = torch.optim.Adam(background.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        (background(RAYS) - target).square().mean().backward()
        optimizer.step()
    assert (background(RAYS) - target).abs().mean() < 0.02 < (0.5 - target).abs().mean()


def test_environment_is_sometimes_a_random_colour():
    torch.manual_seed(0)
    background = Environment(random_share=0.3)
    random = sum(background(RAYS, rng(i)).shape == (3, 1, 1, 3) for i in range(400)) / 400
    assert abs(random - 0.3) < 0.07
    assert background(RAYS, None).shape == (3, 5, 5, 3)
