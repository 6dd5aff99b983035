from dataclasses import replace

import torch

from dream3d.distill.nfsd import nfsd
from dream3d.distill.weight import sigma_squared, uniform


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples: domain correction and classifier direction, with the switch at t = 0.2 T."""
    got = world.mean_gradient(lambda *a: nfsd(*a, scale=7.5, weight=sigma_squared), t)
    text, (_, sigma) = world.text(1), world.levels(t)
    cond, null, flawed = (world.expected_eps(t, m[0]) for m in (text.cond, text.null, text.contrast))
    domain = null if t < 200 else null - flawed
    assert close(got, sigma**2 * (domain + 7.5 * (cond - null)))


def test_the_switch_is_a_setting_and_goes_image_by_image(world) -> None:
    prior, x, _, noise, text = world.draw(2, 0)
    t = torch.tensor([399, 400])
    got = nfsd(prior, x, t, noise, text, scale=0.0, weight=uniform, threshold=0.4).grad
    null = prior.eps(prior.alpha_bar[t, None].sqrt() * x + (1 - prior.alpha_bar[t, None]).sqrt() * noise, t, text).null
    torch.testing.assert_close(got[0], null[0])
    assert (got[1] - null[1]).abs().max() > 0.1


def test_noise_is_not_in_it_at_high_t(world) -> None:
    """For Gaussians of equal spread every difference of predictions is free of noise."""
    grad = nfsd(*world.draw(50, 900), scale=7.5, weight=uniform).grad
    torch.testing.assert_close(grad, grad[:1].expand_as(grad))


def test_null_stands_in_for_a_missing_negative_prompt(world) -> None:
    prior, x, t, noise, text = world.draw(5, 300)
    bare = nfsd(prior, x, t, noise, replace(text, contrast=None), scale=3.0, weight=uniform).grad
    eps = world.expected_eps(300, text.cond[0]) - world.expected_eps(300, text.null[0])
    torch.testing.assert_close(bare, (3.0 * eps).expand_as(bare))
