import torch
from diffusers import DDIMScheduler

from dream3d.diffusion import predict_x0, q_sample
from dream3d.distill.ddim import ddim_step, ddim_walk
from dream3d.priors.gaussian import Gaussian, cosine_alpha_bar
from dream3d.types import Conditioning

ABAR = cosine_alpha_bar()


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_true_noise_gives_true_x0_and_any_level() -> None:
    x, noise = random(3, 4), random(3, 4, seed=1)
    t, s = torch.tensor([10, 500, 900]), torch.tensor([700, 20, 900])
    x_t = q_sample(x, t, noise, ABAR)
    torch.testing.assert_close(predict_x0(x_t, noise, t, ABAR), x)
    torch.testing.assert_close(ddim_step(x_t, noise, t, s, ABAR), q_sample(x, s, noise, ABAR))


def test_agrees_with_diffusers() -> None:
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=False)
    scheduler.set_timesteps(10)
    x, eps = random(2, 3, 4, 4), random(2, 3, 4, 4, seed=1)
    want = scheduler.step(eps, 601, x).prev_sample
    t = torch.full((2,), 601)
    got = ddim_step(x, eps, t, t - 100, scheduler.alphas_cumprod.double())
    torch.testing.assert_close(got, want)


def test_walk_transports_a_gaussian_exactly() -> None:
    """Along the flow of N(m, s^2) the standard score ``(x_t - alpha m) / sqrt(variance)`` stays."""
    mean = torch.full((2, 1), 1.5, dtype=torch.float64)
    prior, text = Gaussian({}, std=0.5), Conditioning(mean, mean)
    x = torch.tensor([[1.0], [2.5]], dtype=torch.float64)
    levels = [torch.full((2,), u) for u in range(0, 801)]
    got = ddim_walk(lambda z, u: prior.eps(z, u, text).cond, x, levels, ABAR)

    def standard(z, u):
        return (z - ABAR[u].sqrt() * mean) / (ABAR[u] * 0.25 + 1 - ABAR[u]).sqrt()

    torch.testing.assert_close(standard(got, 800), standard(x, 0), rtol=0.01, atol=0.01)
