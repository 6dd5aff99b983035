"""Counting where a mesh runs through itself."""

import torch
from scenes import box, sphere

from dream3d.geometry.self_intersections import pierces, self_intersections
from dream3d.mesh.clean import inspect
from dream3d.types import Mesh


def together(one, other):
    return Mesh(torch.cat((one.vertices, other.vertices)), torch.cat((one.faces, other.faces + len(one.vertices))))


def moved(mesh, by):
    return Mesh(mesh.vertices + torch.tensor(by), mesh.faces)


def every_pair(mesh):
    """Without a sweep."""
    corner = mesh.vertices.double()[mesh.faces]
    i, j = torch.triu_indices(len(corner), len(corner), 1).unbind(0)
    apart = ~(mesh.faces[i][:, :, None] == mesh.faces[j][:, None]).any(-1).any(-1)
    cut = pierces(corner[i], corner[j]) | pierces(corner[j], corner[i])
    return int((cut & apart).sum())


def test_sound_meshes_have_none():
    assert self_intersections(sphere()) == 0
    assert self_intersections(box()) == 0
    assert self_intersections(together(box(), moved(box(), (2.0, 0, 0)))) == 0


def test_a_needle_through_a_triangle():
    """Its two long edges go through the triangle, its tip does not touch it: one pair."""
    floor = Mesh(torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    needle = Mesh(torch.tensor([[0.0, 0, 1], [0.1, 0, -1], [-0.1, 0, -1]]), torch.tensor([[0, 1, 2]]))
    assert self_intersections(together(floor, needle)) == 1
    assert self_intersections(together(floor, moved(needle, (0.0, 0, 1.5)))) == 0
    assert self_intersections(together(floor, moved(needle, (0.0, 3, 0)))) == 0


def test_rays_along_edges_find_what_all_pairs_find():
    draw = torch.Generator().manual_seed(0)
    soup = torch.rand(80, 1, 3, generator=draw) + 0.3 * torch.rand(80, 3, 3, generator=draw)
    mesh = Mesh(soup.view(-1, 3), torch.arange(240).view(-1, 3))
    assert self_intersections(mesh) == every_pair(mesh) > 10
    balls = together(sphere(0.5, 2), moved(sphere(0.5, 2), (0.3, 0.2, 0.1)))
    assert self_intersections(balls) == every_pair(balls) > 10


def test_the_report_says_so_and_seams_do_not_count():
    assert inspect(sphere()).self_intersections == 0
    mesh = sphere(0.5, 1)
    split = Mesh(mesh.vertices[mesh.faces.flatten()], torch.arange(3 * len(mesh.faces)).view(-1, 3))
    assert inspect(split).self_intersections == 0
    assert inspect(together(mesh, moved(mesh, (0.3, 0.2, 0.1)))).self_intersections > 0
