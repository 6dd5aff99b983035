import pytest
import torch

from dream3d.priors.gaussian import gaussian_eps
from dream3d.priors.mixture import Mixture, mixture_eps
from dream3d.types import Conditioning, Image, ScoreModel


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_is_a_score_model() -> None:
    prior = Mixture({"": torch.zeros(1, 2), "a": torch.ones(1, 2)}, std=0.5)
    assert isinstance(prior, ScoreModel)
    assert prior.embed(["a"]).shape == (1, 1, 2)
    with pytest.raises(ValueError, match="got 'b'"):
        prior.embed(["b"])
    image = Image(torch.zeros(1, 2, 2, 3), torch.zeros(1, 2, 2, 1))
    assert prior.encode(image, torch.ones(1, 1, 1, 3)).shape == (1, 3, 2, 2)


@pytest.mark.parametrize("std", [0.0, 0.4])
def test_eps_is_the_score(std: float) -> None:
    """Autograd on torch's own mixture density, points and Gaussians, unequal shares."""
    abar, shares = torch.tensor([0.9, 0.5, 0.05], dtype=torch.float64), torch.tensor([0.2, 0.5, 0.3]).double()
    x_t, modes = random(3, 2, 2).requires_grad_(), random(3, 3, 2, 2, seed=1)
    alpha, sigma = abar.sqrt(), (1 - abar).sqrt()
    spread = (alpha**2 * std**2 + sigma**2).sqrt()
    logs = []
    for k in range(3):
        normal = torch.distributions.Normal(alpha[:, None, None] * modes[:, k], spread[:, None, None].expand(3, 2, 2))
        logs.append(shares[k].log() + normal.log_prob(x_t).sum((1, 2)))
    (score,) = torch.autograd.grad(torch.stack(logs).logsumexp(0).sum(), x_t)
    got = mixture_eps(x_t.detach(), abar, modes, std, shares)
    torch.testing.assert_close(got, -sigma[:, None, None] * score)


def test_one_mode_is_the_gaussian() -> None:
    x_t, mode, abar = random(4, 3), random(4, 1, 3, seed=1), torch.tensor([0.9, 0.5, 0.2, 0.01]).double()
    torch.testing.assert_close(mixture_eps(x_t, abar, mode, 0.3), gaussian_eps(x_t, abar, mode[:, 0], 0.3))


def test_far_modes_do_not_matter_and_nothing_overflows() -> None:
    """At alpha_bar = 1 with points the variance is 0: the answer is finite, and that of the nearest point."""
    abar = torch.tensor([0.999, 1.0])
    modes = torch.tensor([[[0.0], [100.0]]]).expand(2, 2, 1)
    got = mixture_eps(torch.tensor([[0.05], [0.05]]), abar, modes, 0.0)
    torch.testing.assert_close(got[0, 0], torch.tensor(0.05) / (1 - abar[0]).sqrt())
    assert torch.isfinite(got).all()


def test_set_holds_cond_null_and_negatives() -> None:
    prior, x_t, t = Mixture({}, std=0.5), random(2, 3), torch.tensor([100, 800])
    modes, weights = random(2, 2, 4, 3, seed=1), random(2, 2, seed=2)
    eps = prior.eps(x_t, t, Conditioning(modes[:, 0], modes[:, 1], negatives=modes, weights=weights))
    assert eps.negatives is not None
    assert torch.equal(eps.negatives, torch.stack((eps.cond, eps.null), dim=1))
    assert prior.eps(x_t, t, Conditioning(modes[:, 0], modes[:, 1])).negatives is None
