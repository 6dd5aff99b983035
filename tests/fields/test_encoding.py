import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dream3d.fields.encoding import level_mask, positional, sides, trilinear, triplane, weighted_rows
from dream3d.seeding import generator


def points(n: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(n, 3, generator=generator(0, 0, "points"), dtype=dtype) * 1.8 - 0.9


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator(0, 0, "randn"), dtype=torch.float64)


def grid(size: int) -> Tensor:
    """The vertices of a cube of size^3 over [-1, 1]^3, x fastest."""
    line = torch.linspace(-1, 1, size, dtype=torch.float64)
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    return torch.stack((x, y, z), dim=-1).reshape(-1, 3)


def test_positional_closed_form():
    x = torch.tensor([[0.5, 0.25, -1.0]], dtype=torch.float64)
    out = positional(x, frequencies=2)
    angles = [math.pi * v * s for s in (1, 2) for v in x[0].tolist()]
    want = [*x[0].tolist(), *map(math.sin, angles), *map(math.cos, angles)]
    assert torch.allclose(out[0], torch.tensor(want, dtype=torch.float64))


def test_level_mask_fades_in_coarse_first():
    assert level_mask(4, torch.tensor(2.5)).tolist() == [1, 1, 0.5, 0]


def test_trilinear_is_exact_on_linear_functions():
    matrix = randn(3, 4)
    x = points(50)
    assert torch.allclose(trilinear(grid(5) @ matrix, x, 5), x @ matrix)


def test_trilinear_equals_grid_sample():
    table, x = randn(6**3, 2), points(50)
    volume = table.view(1, 6, 6, 6, 2).permute(0, 4, 1, 2, 3)
    want = F.grid_sample(volume, x.view(1, 1, 1, -1, 3), align_corners=True)[0, :, 0, 0].t()
    assert torch.allclose(trilinear(table, x, 6), want)


@pytest.mark.parametrize("wants_gradient", [False, True])
def test_triplane_is_exact_on_linear_functions(wants_gradient: bool):
    line = torch.linspace(-1, 1, 5, dtype=torch.float64)
    v, u = torch.meshgrid(line, line, indexing="ij")
    slopes = randn(3, 2, 2)
    planes = slopes[:, :, :1, None] * u + slopes[:, :, 1:, None] * v
    x = points(50).requires_grad_(wants_gradient)
    a, b, c = x.unbind(-1)
    pairs = torch.stack((torch.stack((a, b)), torch.stack((b, c)), torch.stack((c, a))))
    want = torch.einsum("pcs,psn->npc", slopes, pairs).flatten(1)
    assert torch.allclose(triplane(planes, sides(x)), want)


def test_triplane_paths_agree_in_value_and_gradient():
    planes = randn(3, 2, 7, 7).requires_grad_()
    x, weight = points(50) * 1.3, randn(50, 6)
    fast = triplane(planes, sides(x))
    slow = triplane(planes, sides(x.clone().requires_grad_()))
    assert torch.allclose(fast, slow)
    (fast_grad,) = torch.autograd.grad((fast * weight).sum(), planes)
    (slow_grad,) = torch.autograd.grad((slow * weight).sum(), planes)
    assert torch.allclose(fast_grad, slow_grad)


def test_weighted_rows_gradcheck_on_both_paths():
    table = randn(9, 3).requires_grad_()
    index = torch.randint(0, 9, (6, 4), generator=generator(0, 0, "index"))
    weight = randn(6, 4)
    assert torch.autograd.gradcheck(lambda t: weighted_rows(t, index, weight), (table,))
    assert torch.autograd.gradcheck(lambda t, w: weighted_rows(t, index, w), (table, weight.requires_grad_()))


def test_encodings_gradcheck_twice():
    x = points(4).requires_grad_()
    planes, table = randn(3, 2, 5, 5).requires_grad_(), randn(4**3, 2).requires_grad_()
    for function, inputs in (
        (lambda x: positional(x, 2), (x,)),
        (lambda planes, x: triplane(planes, sides(x)), (planes, x)),
        (lambda t, x: trilinear(t, x, 4), (table, x)),
    ):
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)
