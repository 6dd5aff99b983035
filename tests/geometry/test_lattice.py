"""The lattice of tetrahedra: upright, alike, without gaps or overlaps."""

import math

import pytest
import torch

from dream3d.geometry.lattice import blocks, lattice


def volumes(nodes, tets):
    a, b, c, d = nodes.double()[tets].unbind(1)
    return ((b - a) * torch.linalg.cross(c - a, d - a)).sum(-1) / 6


def test_all_tetrahedra_are_upright_and_alike():
    nodes, tets = lattice(10)
    expected = torch.full((len(tets),), 0.2**3 / 12, dtype=torch.float64)
    torch.testing.assert_close(volumes(nodes, tets), expected, rtol=1e-5, atol=0)
    a, b, c, d = nodes.double()[tets].unbind(1)
    pairs = ((a, b), (a, c), (a, d), (b, c), (b, d), (c, d))
    lengths = torch.stack([(p - q).norm(dim=-1) for p, q in pairs], dim=1).sort(dim=1).values / 0.2
    s = math.sqrt(3) / 2
    torch.testing.assert_close(
        lengths,
        torch.tensor([s, s, s, s, 1.0, 1.0], dtype=torch.float64).expand_as(lengths),
        rtol=1e-5,
        atol=0,
    )


def test_neighbours_share_faces_and_the_border_lies_outside_the_ball():
    nodes, tets = lattice(8)
    sides = torch.cat([tets[:, [i for i in range(4) if i != skip]] for skip in range(4)]).sort(1).values
    faces, uses = torch.unique(sides, dim=0, return_counts=True)
    assert uses.max() == 2
    border = nodes[faces[uses == 1]]
    assert (border.norm(dim=-1) > 1).all()


def test_points_of_the_ball_are_in_exactly_one_tetrahedron():
    nodes, tets = lattice(6)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=draw, dtype=torch.float64)
    x = 0.99 * torch.rand(200, 1, generator=draw, dtype=torch.float64) * x / x.norm(dim=1, keepdim=True)
    a = nodes.double()[tets]
    basis = torch.linalg.inv((a[:, 1:] - a[:, :1]).transpose(1, 2))
    share = torch.einsum("tij,ntj->nti", basis, x[:, None] - a[None, :, 0])
    inside = (share > 0).all(-1) & (share.sum(-1) < 1)
    assert (inside.sum(1) == 1).all()


def test_a_lattice_of_one_cube_is_an_error():
    with pytest.raises(ValueError, match="resolution"):
        lattice(1)


def test_blocks_hold_every_tetrahedron_once_and_all_its_nodes():
    nodes, tets = lattice(8)
    members, grouped = blocks(nodes, tets, 0.5)
    real = grouped[(grouped != grouped[..., :1]).any(-1)]
    assert torch.equal(real.unique(dim=0), tets.unique(dim=0)) and len(real) == len(tets)
    for row, group in zip(members, grouped, strict=True):
        own = group[(group != group[:, :1]).any(-1)]
        assert set(own.flatten().tolist()) == set(row.tolist())
