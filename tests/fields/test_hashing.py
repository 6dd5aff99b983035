import importlib.util
from itertools import pairwise

import pytest
import torch

from dream3d.fields.hashing import Pyramid, hash_tinycudann, hash_torch, implementation, rows_of
from dream3d.seeding import generator

SHAPE = Pyramid(levels=4, channels=2, log2_size=10, base=4, finest=32)


def table(shape: Pyramid, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape.rows() * shape.channels, generator=generator(0, 0, "table"), dtype=dtype)


def points(n: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(n, 3, generator=generator(0, 0, "points"), dtype=dtype)


def rows(vertex: torch.Tensor, shape: Pyramid) -> torch.Tensor:
    """The row of each vertex (n, 3) in every level."""
    return rows_of(vertex[:, None].expand(-1, shape.levels, -1), shape)[..., 0]


def test_geometry_of_the_paper():
    levels = Pyramid(levels=16, log2_size=19, base=16, finest=2048).table()
    assert [levels[0].resolution, levels[-1].resolution] == [16, 2048]
    assert levels[0].rows == 16**3 and levels[-1].rows == 2**19
    assert all(b.start == a.start + a.rows for a, b in pairwise(levels))


def test_hash_by_hand():
    level = SHAPE.table()[-1]
    x, y, z = 3, 17, 30
    want = level.start + (x ^ (y * 2654435761 % 2**32) ^ (z * 805459861 % 2**32)) % level.rows
    assert rows(torch.tensor([[x, y, z]]), SHAPE)[0, -1].item() == want


def test_dense_levels_have_no_collisions():
    level = SHAPE.table()[0]
    vertices = torch.cartesian_prod(*[torch.arange(level.resolution)] * 3)
    assert rows(vertices, SHAPE)[:, 0].unique().numel() == level.resolution**3


def test_all_rows_are_inside_the_table():
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    assert torch.isfinite(hash_torch(table(SHAPE), corners, SHAPE)).all()


def test_exact_on_linear_functions_where_the_level_is_dense():
    shape = Pyramid(levels=1, channels=1, log2_size=10, base=8, finest=8)
    level = shape.table()[0]
    vertices = torch.cartesian_prod(*[torch.arange(8)] * 3)
    values = ((vertices - 0.5) / level.scale) @ torch.tensor([1.0, 2.0, -3.0])
    params = torch.zeros(shape.rows()).scatter(0, rows(vertices, shape)[:, 0], values)
    x = points(30) * 0.85 + 0.05  # beyond, the encoding names vertices outside and wraps
    assert torch.allclose(hash_torch(params, x, shape)[:, 0], x @ torch.tensor([1.0, 2.0, -3.0]), atol=1e-5)


def test_gradcheck():
    shape = Pyramid(levels=2, channels=2, log2_size=5, base=2, finest=4)
    params = table(shape, torch.float64).requires_grad_()
    x = points(4, torch.float64)
    assert torch.autograd.gradcheck(lambda p: hash_torch(p, x, shape), (params,))
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, x: hash_torch(p, x, shape), (params, x))
    assert torch.autograd.gradgradcheck(lambda p, x: hash_torch(p, x, shape), (params, x))


def test_implementation():
    assert implementation("auto", torch.device("cpu")) == "torch"
    with pytest.raises(ValueError, match="got tinycudann on cpu"):
        implementation("tinycudann", torch.device("cpu"))


@pytest.mark.parametrize("levels, base, finest", [(0, 4, 8), (2, 8, 4)])
def test_impossible_shapes_are_errors(levels: int, base: int, finest: int):
    with pytest.raises(ValueError, match="expected levels"):
        Pyramid(levels=levels, base=base, finest=finest)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="the tinycudann twin needs a CUDA device")
@pytest.mark.skipif(importlib.util.find_spec("tinycudann") is None, reason="tinycudann is not installed")
def test_twins_agree_in_value_and_gradient():
    results = []
    for twin in (hash_torch, hash_tinycudann):
        params, x = table(SHAPE).cuda().requires_grad_(), points(256).cuda().requires_grad_()
        out = twin(params, x, SHAPE)
        out.square().sum().backward()
        results.append((out.detach(), params.grad, x.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3)
