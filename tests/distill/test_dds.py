import torch

from dream3d.distill.dds import dds
from dream3d.distill.sds import sds
from dream3d.distill.weight import sigma_squared, uniform
from dream3d.types import Conditioning

SOURCE = torch.tensor([[2.0, 2.5, -0.5, 0.0]], dtype=torch.float64)


def source(world, n: int) -> dict:
    """A source image, and its text: the contrast's mean, the same null."""
    text = world.text(n)
    return {"x_src": SOURCE.repeat(n, 1), "text_src": Conditioning(text.contrast, text.null)}


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples: each half is what SDS expects of its own image and text."""
    got = world.mean_gradient(lambda *a: dds(*a, **source(world, len(a[1])), scale=7.5, weight=sigma_squared), t)
    text, (_, sigma) = world.text(1), world.levels(t)
    mine = world.expected_eps(t, world.guided_mean(7.5))
    world.x = SOURCE
    theirs = world.expected_eps(t, text.null[0] + 7.5 * (text.contrast[0] - text.null[0]))
    assert close(got, sigma**2 * (mine - theirs))


def test_no_edit_no_drift(world, t) -> None:
    """Same image, same text: 0 for every noise, whatever the prior thinks of the image."""
    prior, x, times, noise, text = world.draw(20, t)
    grad = dds(prior, x, times, noise, text, x_src=x, text_src=text, scale=7.5, weight=uniform).grad
    assert torch.equal(grad, torch.zeros_like(grad))


def test_is_a_difference_of_two_sds(world, t) -> None:
    prior, x, times, noise, text = world.draw(20, t)
    other = source(world, 20)
    got = dds(prior, x, times, noise, text, **other, scale=7.5, weight=uniform).grad
    mine, theirs = (
        sds(prior, image, times, noise, words, scale=7.5, weight=uniform).grad
        for image, words in ((x, text), (other["x_src"], other["text_src"]))
    )
    torch.testing.assert_close(got, mine - theirs)


def test_only_the_edit_gets_a_gradient(world) -> None:
    prior, x, t, noise, text = world.draw(3, 500)
    x, other = x.requires_grad_(), source(world, 3)
    other["x_src"].requires_grad_()
    result = dds(prior, x, t, noise, text, **other, scale=7.5, weight=uniform)
    result.loss.backward()
    torch.testing.assert_close(x.grad, result.grad / 3)
    assert other["x_src"].grad is None
