"""Noise of a distillation gradient: its mean and variance over noise draws at fixed x and t."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.optimize import Setup, render_and_encode, scheduled
from dream3d.seeding import generator


def moments(grads: Float[Tensor, "k *d"]) -> tuple[float, float]:
    """Unbiased ``|E g|^2`` (0 where the estimate is negative) and ``E |g - E g|^2``, both per element.

    Raises:
        ValueError: fewer than two samples.
    """
    k = len(grads)
    if k < 2:
        raise ValueError(f"gradient moments: got {k} samples, expected at least 2; raise noise_samples")
    flat = grads.double().flatten(1)
    variance = flat.var(dim=0).mean()
    signal = flat.mean(dim=0).square().mean() - variance / k
    return signal.clamp(min=0).item(), variance.item()


def stream(view: int, name: str) -> Generator:
    """A random stream that no training step uses, identical for all runs."""
    return generator(0, view, f"moments {name}")


@torch.no_grad()
def gradient_moments(
    setup: Setup, step: int, fractions: Sequence[float], noise_samples: int, views: int = 2
) -> list[tuple[float, float]]:
    """``moments`` of the loss's gradient with respect to x, for each t = fraction * T, mean over views.

    x is the first field from cameras shared by all runs. Needs the memory of a step with ``noise_samples`` views.
    """
    camera = setup.camera.sample(views, setup.size, generator(0, 0, "moments camera"))
    found = torch.zeros(len(fractions), 2)
    for i in range(views):
        draw = partial(stream, i)
        _, _, x, text = render_and_encode(setup, step, camera[i : i + 1], draw, 0, noise_samples)
        noise = torch.randn(x.shape, generator=draw("noise")).to(x)
        for row, fraction in enumerate(fractions):
            t = torch.full((noise_samples,), int(fraction * len(setup.prior.alpha_bar)), device=x.device)
            grad = scheduled(setup.loss, step)(setup.prior, x, t, noise, text).grad
            found[row] += torch.tensor(moments(grad)) / views
    return [(signal, variance) for signal, variance in found.tolist()]
