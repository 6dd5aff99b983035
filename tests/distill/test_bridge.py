from dataclasses import replace

import torch

from dream3d.distill.bridge import bridge
from dream3d.distill.csd import csd
from dream3d.distill.sds import sds
from dream3d.distill.weight import sigma_squared, uniform


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples: from the source prompt's mean to the prompt's."""
    got = world.mean_gradient(lambda *a: bridge(*a, scale=7.5, weight=uniform, bridge_scale=3.0), t)
    text = world.text(1)
    want = world.expected_eps(t, text.cond[0]) - world.expected_eps(t, text.contrast[0])
    assert close(got, 3.0 * want)


def test_stage_one_is_sds(world, t) -> None:
    args = world.draw(20, t)
    got = bridge(*args, scale=7.5, weight=sigma_squared, stage=1.0).grad
    assert torch.equal(got, sds(*args, scale=7.5, weight=sigma_squared).grad)


def test_without_a_source_prompt_null_is_the_source(world) -> None:
    prior, x, t, noise, text = world.draw(20, 500)
    bare = replace(text, contrast=None)
    got = bridge(prior, x, t, noise, bare, scale=7.5, weight=uniform).grad
    torch.testing.assert_close(got, csd(prior, x, t, noise, bare, scale=1.0, weight=uniform).grad)
