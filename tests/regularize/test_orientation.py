"""Only visible normals that face away count, quadratically; the weights get no gradient."""

import dataclasses

import pytest
import torch
from handmade_renders import scene

from dream3d.regularize.orientation import orientation


def test_closed_form():
    # Rays go along -z: a normal of z = -0.6 faces away by 0.6, one of z = +0.6 faces the camera.
    normals = torch.tensor([[0.8, 0, -0.6], [0.8, 0, 0.6], [0, 0, -1.0], [0, 0, 1.0]]).double()
    render = scene([[0.5, 0.25], [0.125, 0.5]], normals=normals)
    torch.testing.assert_close(orientation(render), torch.tensor((0.5 * 0.36 + 0.125) / 2).double())


def test_rays_that_hit_nothing_do_not_dilute():
    normals = torch.tensor([[0.0, 0, -1]] * 2).double()
    assert orientation(scene([[0.5], [0.0]], normals=normals)) == 0.5
    assert orientation(scene([[0.0], [0.0]], normals=normals)) == 0


def test_gradient_is_on_normals_alone():
    normals = torch.tensor([[0.8, 0, -0.6], [0.8, 0, 0.6]]).double().requires_grad_()
    weights = torch.tensor([[0.5, 0.25]]).double().requires_grad_()
    loss = orientation(scene(weights, normals=normals))
    loss.backward()
    assert weights.grad is None
    # Descending turns the first normal back to the camera (+z) and leaves the second.
    assert normals.grad[0, 2] < 0 and (normals.grad[1] == 0).all()


def test_gradcheck():
    normals = torch.nn.functional.normalize(
        torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).double(), dim=-1
    ).requires_grad_()
    weights = torch.rand(2, 3, generator=torch.Generator().manual_seed(1)).double() / 3
    assert torch.autograd.gradcheck(lambda n: orientation(scene(weights, normals=n)), normals)


def test_what_is_missing_is_named():
    render = scene([[0.5]])
    with pytest.raises(ValueError, match="without normals"):
        orientation(render)
    with pytest.raises(ValueError, match="switch orientation off"):
        orientation(dataclasses.replace(render, samples=None))
