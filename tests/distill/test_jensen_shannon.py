import torch

from dream3d.distill.jensen_shannon import jensen_shannon
from dream3d.distill.sdi import sdi
from dream3d.distill.weight import uniform


def denoised(world, clean: torch.Tensor, t: int, scale: float) -> torch.Tensor:
    """``E x0_hat(alpha clean + sigma noise)``: the posterior mean pulls clean towards the guided mean."""
    alpha, sigma = world.levels(t)
    kept = (alpha * world.prior.std) ** 2 / ((alpha * world.prior.std) ** 2 + sigma**2)
    return kept * clean + (1 - kept) * world.guided_mean(scale)


def test_expected_gradient(world, close, t) -> None:
    """20,000 noise_samples. Given SDI's target a (proven in its own test) the second is a's expected denoising."""
    knobs = {"scale": 7.5, "weight": uniform, "inversion_scale": -7.5, "inversion_steps": 10, "eta": 0.3}
    got = world.mean_gradient(lambda *a: jensen_shannon(*a, again=0.7, **knobs), t)
    first = world.mean_gradient(lambda *a: sdi(*a, **knobs), t)
    second = world.x[0] - denoised(world, world.x[0] - first, t, 7.5)
    assert close(got, first + 0.7 * second)


def test_without_the_second_target_it_is_sdi(world, t) -> None:
    args = world.draw(20, t)
    knobs = {"scale": 7.5, "weight": uniform, "inversion_scale": -7.5, "inversion_steps": 10, "eta": 0.3}
    assert torch.equal(jensen_shannon(*args, again=0.0, **knobs).grad, sdi(*args, **knobs).grad)


def test_vanishes_at_the_mean(world) -> None:
    """x = the prompt's mean, everything conditional, no guidance: both targets are x, whatever the noise adds."""
    prior, _, t, noise, text = world.draw(20_000, 500)
    knobs = {"scale": 1.0, "weight": uniform, "inversion_scale": 1.0, "inversion_steps": 10, "eta": 0.0}
    grad = jensen_shannon(prior, text.cond, t, noise, text, **knobs).grad
    assert grad.mean(0).abs().max() < 0.01
