"""FlexiCubes: closed, manifold, outward surfaces from any distances; the paper's formulas; gradients."""

import math

import pytest
import torch
from scenes import sphere

from dream3d.geometry import flexicubes as room
from dream3d.geometry.flexicubes import Weights, flexicubes
from dream3d.geometry.lattice import cubes
from dream3d.geometry.surface_sampling import surface_points
from dream3d.mesh.clean import inspect, to_trimesh
from dream3d.metrics.chamfer import chamfer


def even(cells):
    return Weights(torch.ones(len(cells), 8), torch.ones(len(cells), 12), torch.ones(len(cells)))


def uneven(cells, seed, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    raw = 0.05 + 1.9 * torch.rand(len(cells), 21, generator=draw, dtype=dtype)
    return Weights(raw[:, :8], raw[:, 8:20], raw[:, 20])


def fans(mesh):
    """Is what the faces at each vertex have across from it one closed ring, for every vertex?"""
    shape = to_trimesh(mesh)
    ring = [{} for _ in shape.vertices]
    for a, b, c in shape.faces.tolist():
        for p, q, r in ((a, b, c), (b, c, a), (c, a, b)):
            ring[p].setdefault(q, []).append(r)
    for around in filter(None, ring):
        if any(len(after) != 1 for after in around.values()):
            return False
        start = here = next(iter(around))
        steps = 0
        while True:
            here, steps = around[here][0], steps + 1
            if here == start:
                break
        if steps != len(around):
            return False
    return True


@pytest.mark.parametrize("resolution", [8, 24])
def test_a_ball_is_one_closed_surface(resolution):
    nodes, cells = cubes(resolution)
    mesh, _ = flexicubes(nodes, nodes.norm(dim=1) - 0.6, cells, even(cells))
    report = inspect(mesh)
    assert report.watertight and report.euler == 2 and report.components == 1
    assert report.volume == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=16 / resolution**2)
    assert fans(mesh)


def test_a_ball_is_near_the_ball():
    nodes, cells = cubes(24)
    mesh, _ = flexicubes(nodes, nodes.norm(dim=1) - 0.6, cells, even(cells))
    draw = torch.Generator().manual_seed(0)
    points = [surface_points(m, 20000, draw) for m in (mesh, sphere(0.6, 5))]
    samples = [surface_points(sphere(0.6, 5), 20000, draw) for _ in range(2)]
    assert chamfer(*points) < chamfer(*samples) + 0.002  # two samples of one surface are not at distance 0


@pytest.mark.parametrize("seed", range(6))
def test_any_distances_and_weights_give_a_closed_manifold(seed):
    """Pure noise: every sign pattern next to every other."""
    nodes, cells = cubes(8)
    draw = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(nodes), generator=draw) + 0.3 * (seed % 3 - 1)
    sdf = torch.where(nodes.norm(dim=1) > 0.85, 1.0, noise)
    mesh, _ = flexicubes(nodes, sdf, cells, uneven(cells, seed))
    report = inspect(mesh)
    assert report.watertight and report.manifold_edges and report.volume > 0
    assert fans(mesh)


def test_without_turning_sides_noise_is_not_a_manifold(monkeypatch):
    monkeypatch.setattr(room, "ROUNDS", 0)
    nodes, cells = cubes(8)
    noise = torch.randn(len(nodes), generator=torch.Generator().manual_seed(0))
    sdf = torch.where(nodes.norm(dim=1) > 0.85, 1.0, noise)
    assert not inspect(flexicubes(nodes, sdf, cells, even(cells))[0]).manifold_edges


def test_vertices_are_where_the_formulas_say():
    """One node inside: eight cubes with three crossings each, six quads; Eqs. 2 and 3 by hand."""
    nodes, cells = cubes(4)
    nodes = nodes.double()
    sdf = torch.ones(len(nodes), dtype=torch.float64)
    centre = int(nodes.norm(dim=1).argmin())
    sdf[centre] = -0.5
    weights = uneven(cells, 0, torch.float64)
    mesh, deviation = flexicubes(nodes, sdf, cells, weights)
    assert mesh.vertices.shape == (8 + 6, 3) and mesh.faces.shape == (24, 3)
    owners = (cells == centre).any(1).nonzero().flatten()
    for number, cube in enumerate(owners.tolist()):
        crossing, share = [], []
        for edge, (i, j) in enumerate(room.EDGES):
            a, b = cells[cube, i], cells[cube, j]
            if (sdf[a] < 0) != (sdf[b] < 0):
                s_a, s_b = sdf[a] * weights.alpha[cube, i], sdf[b] * weights.alpha[cube, j]
                crossing.append((s_a * nodes[b] - s_b * nodes[a]) / (s_a - s_b))
                share.append(weights.beta[cube, edge])
        u, beta = torch.stack(crossing), torch.stack(share)
        v = (beta[:, None] * u).sum(0) / beta.sum()
        torch.testing.assert_close(mesh.vertices[number], v)
        distance = (u - v).norm(dim=1)
        torch.testing.assert_close(deviation[number], (distance - distance.mean()).abs().mean())
    faces = mesh.faces[(mesh.faces == 8).any(1)]
    ring = [int(face[0]) for face in faces]
    v, g = mesh.vertices[ring], weights.gamma[owners[ring]]
    one, two = g[0] * g[2], g[1] * g[3]
    middle = (one * (v[0] + v[2]) / 2 + two * (v[1] + v[3]) / 2) / (one + two)
    torch.testing.assert_close(mesh.vertices[8], middle)


def test_a_plane_is_exact_whatever_the_weights_of_edges():
    nodes, cells = cubes(16)
    normal = torch.tensor([0.6, 0.0, 0.8])
    sdf = torch.where(nodes.norm(dim=1) > 0.9, 1.0, nodes @ normal - 0.1)
    weights = uneven(cells, 0)
    weights = Weights(torch.ones_like(weights.alpha), weights.beta, weights.gamma)
    mesh, _ = flexicubes(nodes, sdf, cells, weights)
    inner = mesh.vertices[mesh.vertices.norm(dim=1) < 0.6]
    on_plane = inner[inner @ normal > -0.4]
    assert len(on_plane) > 150 and (on_plane @ normal - 0.1).abs().max() < 1e-5


def test_gradients_are_central_differences():
    nodes, cells = cubes(4)
    draw = torch.Generator().manual_seed(0)
    sdf = torch.rand(len(nodes), generator=draw, dtype=torch.float64) - 0.4
    sdf = torch.where(nodes.norm(dim=1) > 0.9, 1.0, sdf).requires_grad_()
    nodes = nodes.double().requires_grad_()
    w = uneven(cells, 1, torch.float64)
    parts = [t.clone().requires_grad_() for t in (w.alpha, w.beta, w.gamma)]

    def vertices(n, s, a, b, g):
        mesh, deviation = flexicubes(n, s, cells, Weights(a, b, g))
        return mesh.vertices, deviation

    assert torch.autograd.gradcheck(vertices, (nodes, sdf, *parts), fast_mode=True)


def test_no_surface_and_an_open_one_are_errors():
    nodes, cells = cubes(4)
    with pytest.raises(ValueError, match="no surface"):
        flexicubes(nodes, torch.ones(len(nodes)), cells, even(cells))
    with pytest.raises(ValueError, match="leaves the cubes"):
        flexicubes(nodes, nodes[:, 0] - 0.1, cells, even(cells))
