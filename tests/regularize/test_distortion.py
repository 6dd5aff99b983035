"""The linear-time form equals the paper's double sum."""

import hypothesis.strategies as st
import torch
from handmade_renders import scene
from hypothesis import given, settings

from dream3d.regularize.distortion import distortion


def by_the_paper(render):
    samples, w = render.samples, render.weights
    t, delta = (samples.start + samples.end) / 2, samples.end - samples.start
    same = samples.ray[:, None] == samples.ray
    pairs = (w[:, None] * w * (t[:, None] - t).abs() * same).sum()
    return (pairs + (w.square() * delta).sum() / 3) / samples.n_rays


@settings(max_examples=30, deadline=None)
@given(rays=st.integers(1, 5), steps=st.integers(1, 9), seed=st.integers(0, 99))
def test_equals_the_double_sum_forward_and_gradient(rays, steps, seed):
    g = torch.Generator().manual_seed(seed)
    weights = (torch.rand(rays, steps, generator=g).double() / steps).requires_grad_()
    render = scene(weights)
    a, b = distortion(render), by_the_paper(render)
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    (grad_a,) = torch.autograd.grad(a, weights, retain_graph=True)
    (grad_b,) = torch.autograd.grad(b, weights)
    torch.testing.assert_close(grad_a, grad_b, rtol=1e-7, atol=1e-10)


def test_two_far_surfaces_cost_more_than_one():
    together, apart = scene([[0.0, 0.5, 0.5, 0.0]]), scene([[0.5, 0.0, 0.0, 0.5]])
    torch.testing.assert_close(distortion(together), torch.tensor(2 * 0.25 * 0.25 + 0.5 * 0.25 / 3).double())
    assert distortion(apart) > distortion(together)


def test_no_samples():
    assert distortion(scene(torch.zeros(3, 0))) == 0
