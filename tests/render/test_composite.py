"""Oracles: sums to one, the closed form, dense autograd, nerfacc."""

import hypothesis.strategies as st
import nerfacc
import pytest
import torch
from hypothesis import given, settings

from dream3d.render.composite import accumulate, backend, exclusive_sum, ray_starts, weights, weights_torch
from dream3d.types import Samples


def packed(counts: list[int], seed: int, dtype: torch.dtype = torch.float64) -> Samples:
    """Random sorted samples with gaps, ``counts[i]`` on ray i."""
    g = torch.Generator().manual_seed(seed)
    ray = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    parts = [torch.rand(2 * c, generator=g, dtype=torch.float64).sort().values for c in counts]
    edges = torch.cat([*parts, torch.zeros(0, dtype=torch.float64)]).to(dtype).view(-1, 2)
    return Samples(ray, edges[:, 0].contiguous(), edges[:, 1].contiguous(), len(counts))


def dense_weights(density: torch.Tensor, samples: Samples) -> torch.Tensor:
    """The definition, ray by ray, by plain autograd."""
    out = []
    for i in range(samples.n_rays):
        own = samples.ray == i
        tau = density[own] * (samples.end - samples.start)[own]
        out += [(1 - torch.exp(-tau[k])) * torch.exp(-tau[:k].sum()) for k in range(len(tau))]
    return torch.stack(out) if out else density[:0]


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 30.0, 1e4, 1e8]),
    seed=st.integers(0, 1000),
)
def test_weights_and_what_passes_sum_to_one(counts: list[int], scale: float, seed: int):
    samples = packed(counts, seed)
    density = scale * torch.rand(len(samples.ray), generator=torch.Generator().manual_seed(seed)).double()
    w = weights(density, samples)
    assert (w >= 0).all()
    one = torch.ones(len(w), 1, dtype=torch.float64)
    alpha = accumulate(w, one, samples)[:, 0]
    tau = accumulate(density * (samples.end - samples.start), one, samples)[:, 0]
    torch.testing.assert_close(alpha + torch.exp(-tau), torch.ones_like(alpha), rtol=0, atol=1e-6)


def test_forward_and_gradient_equal_the_definition():
    samples = packed([3, 0, 7, 1, 0], 1)
    g = torch.Generator().manual_seed(2)
    density = (9 * torch.rand(11, generator=g, dtype=torch.float64)).requires_grad_()
    pull = torch.randn(11, generator=g, dtype=torch.float64)
    ours, plain = weights_torch(density, samples), dense_weights(density, samples)
    torch.testing.assert_close(ours, plain)
    (a,) = torch.autograd.grad(ours @ pull, density)
    (b,) = torch.autograd.grad(plain @ pull, density)
    torch.testing.assert_close(a, b)


def test_gradcheck():
    samples = packed([2, 4], 3)
    density = torch.rand(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    values = torch.rand(6, 2, dtype=torch.float64, requires_grad=True, generator=torch.Generator())
    assert torch.autograd.gradcheck(lambda d, v: accumulate(weights_torch(d, samples), v, samples), (density, values))


def test_equals_nerfacc_forward_and_gradient():
    rays, steps = 5, 9
    samples = packed([steps] * rays, 4, torch.float32)
    density = 20 * torch.rand(rays * steps, generator=torch.Generator().manual_seed(5))
    pull = torch.randn(rays * steps, generator=torch.Generator().manual_seed(6))
    mine, theirs = density.clone().requires_grad_(), density.clone().requires_grad_()
    start, end = samples.start.view(rays, steps), samples.end.view(rays, steps)
    a = weights_torch(mine, samples)
    b = nerfacc.render_weight_from_density(start, end, theirs.view(rays, steps))[0].flatten()
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(a @ pull, mine)[0], torch.autograd.grad(b @ pull, theirs)[0], rtol=1e-5, atol=1e-6
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_packed_twins_agree_on_cuda():
    if backend("cuda") != "nerfacc":
        pytest.skip("nerfacc has no CUDA kernels here")
    host = packed([7, 0, 3], 7, torch.float32)
    samples = Samples(host.ray.cuda(), host.start.cuda(), host.end.cuda(), 3)
    density = torch.rand(10, device="cuda", requires_grad=True)
    pull = torch.randn(10, device="cuda")
    a, b = weights_torch(density, samples), weights(density, samples)
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    grads = [torch.autograd.grad(w @ pull, density)[0] for w in (a, b)]
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-6)


def test_a_ray_is_untouched_by_an_opaque_one_before_it():
    """The running sum crosses rays; 1e8 of optical depth in front must not cost the next ray its digits."""
    samples = packed([50, 5], 8, torch.float32)
    density = torch.ones(55)
    density[:50] = 1e9
    alone = Samples(torch.zeros(5, dtype=torch.long), samples.start[50:], samples.end[50:], 1)
    torch.testing.assert_close(weights(density, samples)[50:], weights(density[50:], alone), rtol=1e-5, atol=1e-7)


def test_bookkeeping():
    assert ray_starts(torch.tensor([0, 0, 2]), 4).tolist() == [0, 2, 2, 3, 3]
    assert exclusive_sum(torch.tensor([1.0, 2.0, 4.0])).tolist() == [0.0, 1.0, 3.0, 7.0]
    assert backend("cpu") == "torch"
