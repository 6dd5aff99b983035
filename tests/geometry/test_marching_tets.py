"""Marching tetrahedra: closed, outward surfaces, and gradients in closed form."""

import math

import pytest
import torch

from dream3d.geometry.lattice import lattice
from dream3d.geometry.marching_tets import PAIRS, marching_tets, table
from dream3d.mesh.clean import inspect


def test_the_table_separates_inside_from_outside():
    for case, triangles in enumerate(table()):
        inside = [bool(case >> i & 1) for i in range(4)]
        assert len(triangles) == (0, 1, 2, 1, 0)[sum(inside)]
        for edge in (e for triangle in triangles for e in triangle):
            a, b = PAIRS[edge]
            assert inside[a] != inside[b]


@pytest.mark.parametrize("resolution", [8, 24])
def test_a_ball_is_closed_and_faces_outwards(resolution):
    nodes, tets = lattice(resolution)
    report = inspect(marching_tets(nodes, nodes.norm(dim=1) - 0.6, tets))
    assert report.watertight and report.euler == 2 and report.components == 1
    assert report.volume == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=6 / resolution**2)


@pytest.mark.parametrize("seed", range(3))
def test_any_distances_at_all_give_a_closed_surface(seed):
    """Pure noise: every case of the table next to every other."""
    nodes, tets = lattice(6)
    noise = torch.randn(len(nodes), generator=torch.Generator().manual_seed(seed))
    sdf = torch.where(nodes.norm(dim=1) > 0.9, 1.0, noise)
    report = inspect(marching_tets(nodes, sdf, tets))
    assert report.watertight and report.manifold_edges and report.volume > 0


def test_the_volume_shrinks_by_the_area_when_distances_grow():
    """``d volume / d s = -area`` for a signed distance: the gradient reaches sdf with the right size."""
    nodes, tets = lattice(24)
    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    nodes = nodes.double()
    mesh = marching_tets(nodes, nodes.norm(dim=1) - 0.6 + shift, tets)
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    ((a * torch.linalg.cross(b, c)).sum() / 6).backward()
    assert float(shift.grad) == pytest.approx(-4 * math.pi * 0.36, rel=0.02)


def test_gradients_are_central_differences():
    nodes, tets = lattice(4)
    draw = torch.Generator().manual_seed(0)
    nodes = nodes.double().requires_grad_()
    sdf = (torch.rand(len(nodes), generator=draw, dtype=torch.float64) - 0.3).requires_grad_()
    weight = torch.randn(len(marching_tets(nodes, sdf, tets).vertices), 3, generator=draw, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda n, s: (marching_tets(n, s, tets).vertices * weight).sum(), (nodes, sdf), fast_mode=True
    )


def test_no_surface_is_an_error():
    nodes, tets = lattice(4)
    with pytest.raises(ValueError, match="no surface"):
        marching_tets(nodes, torch.ones(len(nodes)), tets)
