import pytest
import torch

from dream3d.diffusion import alpha_sigma, q_sample
from dream3d.distill.timesteps import UniformTimesteps, row_generators
from dream3d.priors.gaussian import cosine_alpha_bar
from dream3d.schedule import Linear


def draw(time: UniformTimesteps, step: int, batch: int, seed: int = 0) -> torch.Tensor:
    return time(step, batch, 1000, torch.Generator().manual_seed(seed))


def test_q_sample_has_the_moments_of_its_level() -> None:
    x, abar = torch.full((50_000, 1), 2.0, dtype=torch.float64), cosine_alpha_bar()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    x_t = q_sample(x.requires_grad_(), torch.full((50_000,), 300), noise, abar)
    assert not x_t.requires_grad
    assert abs(x_t.mean() - 2 * abar[300].sqrt()) < 0.01
    assert abs(x_t.var() - (1 - abar[300])) < 0.01


def test_alpha_sigma_broadcasts_and_sums_to_one() -> None:
    alpha, sigma = alpha_sigma(cosine_alpha_bar(), torch.tensor([0, 500, 999]), torch.zeros(3, 4, 8, 8))
    assert alpha.shape == (3, 1, 1, 1)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(3, 1, 1, 1))


def test_time_covers_its_range_evenly() -> None:
    t = draw(UniformTimesteps(0.02, 0.98), 0, 100_000)
    assert (int(t.min()), int(t.max())) == (20, 980)
    assert abs(t.double().mean() - 500) < 3
    assert abs(t.double().std() - 961 / 12**0.5) < 3
    assert int(draw(UniformTimesteps(0.0, 1.0), 0, 100_000).max()) == 999


def test_time_follows_schedules() -> None:
    time = UniformTimesteps(0.1, Linear(0.9, 0.5, finish=100))
    assert int(draw(time, 0, 10_000).max()) == 900
    assert int(draw(time, 50, 10_000).max()) == 700
    assert int(draw(time, 1000, 10_000).max()) == 500
    falling = Linear(0.98, 0.25, finish=100)
    assert draw(UniformTimesteps(falling, falling), 100, 3).tolist() == [250] * 3


def test_time_per_batch_and_reproducible() -> None:
    one = draw(UniformTimesteps(per_batch=True), 0, 8)
    assert one.shape == (8,)
    assert len(one.unique()) == 1
    each = draw(UniformTimesteps(), 0, 8)
    assert len(each.unique()) > 1
    assert torch.equal(each, draw(UniformTimesteps(), 0, 8))


@pytest.mark.parametrize("low_high", [(0.5, 0.2), (-0.1, 0.5), (0.5, 1.1)])
def test_time_rejects_what_is_no_range(low_high) -> None:
    with pytest.raises(ValueError, match=r"distill\.time: got min"):
        draw(UniformTimesteps(*low_high), 0, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_row_generators_depend_on_their_row_alone(dtype) -> None:
    noise = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    t = torch.tensor([5, 5, 7, 9])
    draws = [torch.rand((), generator=g).item() for g in row_generators(noise, t)]
    assert len(set(draws)) == 4
    rows = (slice(i, i + 1) for i in range(4))
    assert [torch.rand((), generator=row_generators(noise[row], t[row])[0]).item() for row in rows] == draws


def test_row_generators_depend_on_t() -> None:
    noise = torch.ones(3, 2)
    draws = [torch.rand((), generator=g).item() for g in row_generators(noise, torch.tensor([5, 6, 5]))]
    assert draws[0] == draws[2] != draws[1]
