"""Depth losses do not see scale and shift, and their gradients are those of finite differences."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from renders import render, target

from dream3d.reference.depth import depth_pearson, depth_rank, depth_scaled
from dream3d.seeding import generator

ALL = {"rank": depth_rank, "pearson": depth_pearson, "scaled": depth_scaled}


def value(loss, seen, wanted):
    return loss(seen, wanted, generator(0, 0, "image"))


def with_depth(seen, depth):
    return dataclasses.replace(seen, depth=seen.image.alpha * depth)


@pytest.mark.parametrize("name", ALL)
def test_the_right_depth_at_any_scale_costs_nothing(name):
    seen, wanted = render(), target()
    assert abs(float(value(ALL[name], with_depth(seen, 3 + 0.5 * wanted.depth), wanted))) < 1e-6
    assert float(value(ALL[name], with_depth(seen, 3 - 0.5 * wanted.depth), wanted)) > 0.01
    assert value(ALL[name], seen, dataclasses.replace(wanted, depth=None)) is None


@pytest.mark.parametrize("name", ALL)
def test_gradients_are_those_of_finite_differences(name):
    seen, wanted = render(4), target(4)
    depth = (seen.depth / seen.image.alpha).double().requires_grad_(True)
    exact = dataclasses.replace(wanted, depth=wanted.depth.double())

    def at(d):
        return value(partial(ALL[name]), with_depth(seen, d), exact)

    assert torch.autograd.gradcheck(at, (depth,), atol=1e-4, rtol=1e-3, eps=1e-5)


def test_pearson_is_numpys():
    seen, wanted = render(), target()
    inside = wanted.image.alpha[..., 0] > 0.5
    a, b = (seen.depth / seen.image.alpha)[inside], wanted.depth[inside]
    expected = 1 - np.corrcoef(a[:, 0].numpy(), b[:, 0].numpy())[0, 1]
    assert abs(float(value(depth_pearson, seen, wanted)) - expected) < 1e-5


def test_scale_and_shift_are_those_of_least_squares():
    seen, wanted = render(), target()
    inside = wanted.image.alpha[..., 0] > 0.5
    seen = with_depth(seen, seen.depth / seen.image.alpha + 2 * wanted.depth)
    a, b = (seen.depth / seen.image.alpha)[inside].numpy(), wanted.depth[inside].numpy()
    design = np.concatenate((b, np.ones_like(b)), axis=1)
    residual = a - design @ np.linalg.lstsq(design, a, rcond=None)[0]
    assert abs(float(value(depth_scaled, seen, wanted)) - float((residual**2).mean())) < 1e-5


def test_ranks_of_many_pairs_approach_those_of_all():
    seen, wanted = render(), target()
    inside = wanted.image.alpha[..., 0] > 0.5
    a, b = (seen.depth / seen.image.alpha)[inside][:, 0], wanted.depth[inside][:, 0]
    every = (-(b[:, None] - b).sign() * (a[:, None] - a)).clamp(min=0).mean()
    assert torch.allclose(value(partial(depth_rank, pairs=200_000), seen, wanted), every, rtol=0.03)
    margin = value(partial(depth_rank, margin=0.5), with_depth(seen, wanted.depth), wanted)
    assert margin > 0, "a margin wants more than the right order"
