from dataclasses import replace

import torch

from dream3d.distill.csd import csd
from dream3d.distill.sds import sds
from dream3d.distill.weight import sigma_squared, uniform


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples, all four factors at work."""
    factors = {"cond": 1.0, "negative": -0.5, "uncond": -0.2, "generative": 0.1}
    got = world.mean_gradient(lambda *a: csd(*a, scale=2.0, weight=uniform, **factors), t)
    text = world.text(1)
    means = {"cond": text.cond[0], "negative": text.contrast[0], "uncond": text.null[0]}
    want = sum(factors[k] * world.expected_eps(t, m) for k, m in means.items())
    assert close(got, 2.0 * want)


def test_default_is_the_classifier_score_alone(world) -> None:
    """For Gaussians of equal spread ``eps(y) - eps(null)`` does not depend on the noise."""
    got = csd(*world.draw(20, 500), scale=1.0, weight=uniform).grad
    text = world.text(20)
    want = world.expected_eps(500, text.cond[0]) - world.expected_eps(500, text.null[0])
    torch.testing.assert_close(got, want.expand_as(got))


def test_contains_sds(world, t) -> None:
    args = world.draw(20, t)
    factors = {"cond": 7.5, "uncond": 1 - 7.5, "generative": -1.0}
    got = csd(*args, scale=1.0, weight=sigma_squared, **factors).grad
    torch.testing.assert_close(got, sds(*args, scale=7.5, weight=sigma_squared).grad)


def test_null_stands_in_for_a_missing_negative_prompt(world) -> None:
    prior, x, t, noise, text = world.draw(5, 300)
    bare = replace(text, contrast=None)
    moved = csd(prior, x, t, noise, bare, scale=1.0, weight=uniform, negative=-1.0, uncond=0.0).grad
    torch.testing.assert_close(moved, csd(prior, x, t, noise, bare, scale=1.0, weight=uniform).grad)
