"""Colour, mask and normal losses in closed form; what a weight means beside a distillation loss."""

import dataclasses

import torch
from renders import render, target

from dream3d.distill.surrogate import distilled
from dream3d.reference import losses
from dream3d.seeding import generator
from dream3d.types import Image

DRAW = generator(0, 0, "image")


def test_colour_is_a_mean_of_squares_with_that_gradient():
    seen, wanted = render(requires_grad=True), target()
    losses.rgb(seen, wanted, DRAW).backward()
    away = seen.image.colour.detach() - wanted.image.colour
    assert torch.allclose(losses.rgb(seen, wanted, DRAW).detach(), away.square().mean())
    assert torch.allclose(seen.image.colour.grad, 2 * away / away.numel())


def test_a_weight_beside_a_surrogate():
    """lambda mean(r^2) has the gradient of a surrogate with g = 2 lambda r / N: threestudio's 500 beside 0.1."""
    colour = torch.rand(1, 8, 8, 3, requires_grad=True)
    wanted, weight = torch.rand(1, 8, 8, 3), 5000.0
    seen = dataclasses.replace(render(8), image=Image(colour, torch.ones(1, 8, 8, 1)))
    shown = dataclasses.replace(target(8), image=Image(wanted, torch.ones(1, 8, 8, 1)))
    (mean,) = torch.autograd.grad(weight * losses.rgb(seen, shown, DRAW), colour)
    g = 2 * weight / colour.numel() * (colour.detach() - wanted)
    (surrogate,) = torch.autograd.grad(distilled(colour, g).loss, colour)
    assert torch.allclose(mean, surrogate, rtol=1e-4)


def test_masks():
    seen, wanted = render(), target()
    a, b = seen.image.alpha, wanted.image.alpha
    assert torch.allclose(losses.mask(seen, wanted, DRAW), (a - b).square().mean())
    bce = -(b * a.log() + (1 - b) * (1 - a).log()).mean()
    assert torch.allclose(losses.mask_bce(seen, wanted, DRAW), bce, rtol=1e-5)
    assert torch.allclose(losses.outside(seen, wanted, DRAW), a[b == 0].mean())


def test_l1_counts_the_objects_pixels():
    seen, wanted = render(), target()
    inside = wanted.image.alpha[..., 0] > 0
    expected = (seen.image.colour - wanted.image.colour).abs()[inside].mean()
    assert torch.allclose(losses.rgb_l1(seen, wanted, DRAW), expected)


def test_normals_are_compared_by_their_angle():
    seen, wanted = render(), target()
    same = dataclasses.replace(wanted, normal=torch.nn.functional.normalize(seen.normal, dim=-1))
    opposite = dataclasses.replace(wanted, normal=-same.normal)
    assert abs(float(losses.normals(seen, same, DRAW))) < 1e-6
    assert abs(float(losses.normals(seen, opposite, DRAW)) - 2) < 1e-6
    assert losses.normals(seen, dataclasses.replace(wanted, normal=None), DRAW) is None
