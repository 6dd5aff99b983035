import pytest
import torch

from dream3d.priors.gaussian import Gaussian, cosine_alpha_bar, gaussian_eps
from dream3d.types import Conditioning, Image, ScoreModel


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_is_a_score_model() -> None:
    prior = Gaussian({"": torch.zeros(3), "a": torch.ones(3)}, std=0.5)
    assert isinstance(prior, ScoreModel)
    assert prior.embed(["a", ""]).tolist() == [[1, 1, 1], [0, 0, 0]]
    with pytest.raises(ValueError, match=r"got 'b', expected one of \['', 'a'\]"):
        prior.embed(["b"])


def test_eps_is_the_score() -> None:
    """``eps = -sigma d/dx_t log p(x_t)`` with autograd on torch's own normal density."""
    abar = torch.tensor([0.9, 0.5, 0.05], dtype=torch.float64)
    x_t, mean = random(3, 4).requires_grad_(), random(3, 4, seed=1)
    alpha, sigma = abar.sqrt()[:, None], (1 - abar).sqrt()[:, None]
    spread = (alpha**2 * 0.3**2 + sigma**2).sqrt().expand(3, 4)
    log_density = torch.distributions.Normal(alpha * mean, spread).log_prob(x_t).sum()
    (score,) = torch.autograd.grad(log_density, x_t)
    torch.testing.assert_close(gaussian_eps(x_t.detach(), abar, mean, 0.3), -sigma * score)


def test_no_predictor_does_better() -> None:
    """Monte Carlo: the residual ``noise - eps`` is uncorrelated with x_t and has the posterior variance."""
    n, abar = 200_000, torch.tensor(0.6, dtype=torch.float64)
    x, noise = 1.0 + 0.5 * random(n, 1), random(n, 1, seed=1)
    x_t = abar.sqrt() * x + (1 - abar).sqrt() * noise
    residual = noise - gaussian_eps(x_t, abar.expand(n), torch.ones_like(x), 0.5)
    assert abs((residual * x_t).mean()) < 0.005
    assert abs(residual.var() - 0.6 * 0.25 / (0.6 * 0.25 + 0.4)) < 0.005


def test_negatives_are_predicted_like_the_rest() -> None:
    prior, x_t, t = Gaussian({}, std=0.5), random(2, 4), torch.tensor([100, 800])
    means, weights = random(2, 3, 4, seed=1), random(2, 3, seed=2)
    eps = prior.eps(x_t, t, Conditioning(means[:, 0], means[:, 1], negatives=means, weights=weights))
    assert eps.negatives is not None
    assert torch.equal(eps.negatives[:, 0], eps.cond)
    assert torch.equal(eps.negatives[:, 1], eps.null)
    assert eps.weights is weights


def test_schedule_and_encode() -> None:
    abar = cosine_alpha_bar(1000)
    assert (abar.diff() < 0).all()
    assert 0 < abar[-1] < 1e-5 < 1 - 1e-5 < abar[0] < 1
    image = Image(torch.full((2, 4, 5, 3), 0.25), torch.full((2, 4, 5, 1), 0.5))
    x = Gaussian({}, std=1.0).encode(image, torch.ones(1, 1, 1, 3))
    assert x.shape == (2, 3, 4, 5)
    assert (x == 0.75).all()
