"""The fine surface below points of a coarse one: two planes whose distance is known."""

import torch
from scenes import sphere

from dream3d.mesh.beneath import Fine
from dream3d.types import Mesh

UP = torch.tensor([[0.0, 0.0, 1.0]])


def plane(z: float, down: bool = False) -> Mesh:
    corners = torch.tensor([[-1.0, -1.0, z], [1.0, -1.0, z], [1.0, 1.0, z], [-1.0, 1.0, z]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    return Mesh(corners, faces.flip(1) if down else faces)


def test_above_and_below_within_reach():
    point = torch.tensor([[0.1, 0.2, 0.0]])
    for z in (0.0, 0.03, -0.03):
        found = Fine(plane(z)).beneath(point, UP)
        assert torch.allclose(found.point, torch.tensor([[0.1, 0.2, z]]), atol=1e-6)
        assert torch.allclose(found.normal, UP) and torch.allclose(found.facet, UP)


def test_out_of_reach_or_facing_away_the_point_itself():
    point = torch.tensor([[0.1, 0.2, 0.0]])
    for fine in (plane(0.2), plane(0.03, down=True)):
        found = Fine(fine).beneath(point, UP)
        assert torch.equal(found.point, point) and torch.equal(found.normal, UP) and torch.equal(found.facet, UP)


def test_the_nearer_of_two():
    two = Mesh(torch.cat((plane(0.04).vertices, plane(-0.02).vertices)),
               torch.cat((plane(0).faces, plane(0).faces + 4)))  # fmt: skip
    assert abs(float(Fine(two).beneath(torch.zeros(1, 3), UP).point[0, 2]) + 0.02) < 1e-6


def test_normals_of_a_sphere_are_smooth_where_facets_are_flat():
    mesh = sphere(0.5, 3)
    points = torch.nn.functional.normalize(torch.randn(500, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    found = Fine(mesh).beneath(0.5 * points, points)
    assert (found.normal * points).sum(-1).min() > 0.9995 > (found.facet * points).sum(-1).min()
    assert ((found.point.norm(dim=1) - 0.5).abs() < 0.01).all()
