"""The uniform Laplacian over the squared edge length."""

import pytest
import torch
from handmade_renders import picture
from meshes import of_mesh
from scenes import sphere

from dream3d.regularize.laplacian import laplacian


def test_a_tetrahedron():
    """Every vertex is 4/3 of the circumradius from the mean of the others; edges are sqrt(8/3) radii."""
    v = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    f = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    assert float(laplacian(of_mesh(v, f))) == pytest.approx((4 / 3) ** 2 / (8 / 3), rel=1e-5)
    assert float(laplacian(of_mesh(7 * v, f))) == pytest.approx((4 / 3) ** 2 / (8 / 3), rel=1e-5)


def test_a_spike_is_drawn_in():
    ball = sphere(0.5, 2)
    vertices = ball.vertices.clone()
    vertices[5] *= 1.5
    vertices.requires_grad_()
    laplacian(of_mesh(vertices, ball.faces)).backward()
    assert vertices.grad[5] @ vertices.detach()[5] > 0
    assert vertices.grad.norm(dim=1).argmax() == 5


def test_a_volume_is_an_error():
    with pytest.raises(ValueError, match="laplacian"):
        laplacian(picture(torch.zeros(1, 2, 2, 1)))
