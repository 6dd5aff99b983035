import torch

from dream3d.distill.ssd_edit import ssd_edit
from dream3d.distill.weight import sigma_squared, uniform
from dream3d.types import Conditioning

SOURCE = torch.tensor([[2.0, 2.5, -0.5, 0.0]], dtype=torch.float64)
KNOBS = {"scale": 7.5, "stable": 2.0, "enhance": 3.0, "pull": 0.075}


def source(world, n: int) -> dict:
    text = world.text(n)
    return {"x_src": SOURCE.repeat(n, 1), "text_src": Conditioning(text.contrast, text.null)}


def test_expected_gradient(world, close, t) -> None:
    """Term by term from the four predictions of a Gaussian prior; the noise cancels in each difference."""
    got = world.mean_gradient(lambda *a: ssd_edit(*a, **source(world, len(a[1])), **KNOBS, weight=sigma_squared), t)
    text, (alpha, sigma) = world.text(1), world.levels(t)
    x, of = world.x, world.expected_eps
    target, as_source, null = (of(t, mean[0]) for mean in (text.cond, text.contrast, text.null))
    world.x = SOURCE
    anchor = of(t, text.null[0])
    want = (as_source - anchor) + 0.5 * 7.5 * (target - as_source) + 3.0 * (target - null)
    pull = 0.075 * torch.exp(torch.tensor(t / 1000)) * alpha * (x - SOURCE)[0]
    assert close(got, sigma**2 * (want + pull))


def test_without_an_edit_only_the_step_from_null_to_source_is_left(world, t) -> None:
    """Same image, same text, no enhancement: classifier score distillation towards the source prompt."""
    prior, x, times, noise, text = world.draw(5, t)
    grad = ssd_edit(
        prior, x, times, noise, text, x_src=x, text_src=text, scale=7.5, stable=2.0, enhance=0.0, weight=uniform
    ).grad
    alpha, sigma = world.levels(t)
    eps = prior.eps(alpha * x + sigma * noise, times, text)
    torch.testing.assert_close(grad, eps.cond - eps.null)
