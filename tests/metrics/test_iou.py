import math

import numpy as np
import pytest
import torch
import trimesh

from dream3d.metrics.iou import ASKEW, mesh_iou, mesh_occupancy, volume_iou
from dream3d.types import Mesh

R = 40


def mesh_of(body: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(body.vertices).float(), torch.tensor(body.faces).long())


def centres(r: int = R) -> torch.Tensor:
    line = (torch.arange(r) + 0.5) / r * 2 - 1
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1)


def box(low, high) -> trimesh.Trimesh:
    return trimesh.creation.box(bounds=[low, high])


def in_box(low, high) -> torch.Tensor:
    x = centres()
    return ((x > torch.tensor(low)) & (x < torch.tensor(high))).all(-1)


def sphere(radius: float = 0.7) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=4, radius=radius)


def test_iou_of_known_overlaps():
    a, b = torch.zeros(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool)
    a[:2], b[1:3] = True, True
    assert volume_iou(a, b) == pytest.approx(1 / 3)
    assert volume_iou(a, a) == 1 and volume_iou(a, ~a) == 0
    assert volume_iou(a & ~a, a & ~a) == 1


def test_a_box_is_exact_and_indexed_x_y_z():
    low, high = (-0.31, -0.52, 0.11), (0.42, 0.63, 0.74)
    assert torch.equal(mesh_occupancy(mesh_of(box(low, high)), R), in_box(low, high))


def test_faces_on_cell_centres_and_edges_do_not_leak():
    occupied = mesh_occupancy(mesh_of(box((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))), 20)  # walls between cells
    assert occupied.sum() == 10**3
    occupied = mesh_occupancy(mesh_of(box((-0.55, -0.55, -0.55), (0.55, 0.55, 0.55))), 20)  # walls at centres
    assert 10**3 <= occupied.sum() <= 12**3


def test_sphere_against_closed_form_and_trimesh():
    body = sphere()
    occupied = mesh_occupancy(mesh_of(body), R)
    volume = occupied.sum().item() * (2 / R) ** 3
    assert volume == pytest.approx(4 / 3 * math.pi * 0.7**3, rel=0.01)
    theirs = torch.tensor(body.contains(centres().reshape(-1, 3).double().numpy())).view(R, R, R)
    assert (occupied != theirs).sum() <= 2


def test_concentric_spheres_overlap_as_their_volumes():
    a, b = (mesh_occupancy(mesh_of(sphere(r)), R) for r in (0.6, 0.8))
    assert volume_iou(a, b) == pytest.approx((0.6 / 0.8) ** 3, abs=0.02)


def test_parts_that_run_into_each_other_are_one_solid():
    first, second = ((-0.51, -0.31, -0.31), (0.21, 0.31, 0.31)), ((-0.21, -0.31, -0.31), (0.51, 0.31, 0.31))
    both = trimesh.util.concatenate([box(*first), box(*second)])
    assert torch.equal(mesh_occupancy(mesh_of(both), R), in_box(*first) | in_box(*second))


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_turned_faces_change_nothing(share):
    body = sphere()
    turned = body.faces.copy()
    chosen = np.random.default_rng(0).random(len(turned)) < share
    turned[chosen] = turned[chosen][:, ::-1]
    flipped = trimesh.Trimesh(body.vertices, turned, process=False)
    difference = mesh_occupancy(mesh_of(flipped), R) ^ mesh_occupancy(mesh_of(body), R)
    assert difference.float().mean() < (0.02 if share < 1 else 1e-9)


def test_a_hole_does_not_empty_the_solid():
    body = sphere()
    body.update_faces(body.triangles_center[:, 1] > -0.6)  # the bottom is open
    occupied = mesh_occupancy(mesh_of(body), R)
    assert volume_iou(occupied, mesh_occupancy(mesh_of(sphere()), R)) > 0.95


def test_one_turned_component_inside_a_hollow_wall_stays_solid_and_a_cup_stays_open():
    cup = trimesh.creation.revolve(
        np.array([(0, -0.61), (0.61, -0.61), (0.61, 0.61), (0.41, 0.61), (0.41, -0.41), (0, -0.41)])
    )
    occupied = mesh_occupancy(mesh_of(cup), R)  # turned about z
    radius, z = centres()[..., :2].norm(dim=-1), centres()[..., 2]
    cavity = (radius < 0.38) & (z > -0.38)
    wall = (radius > 0.44) & (radius < 0.58) & (z.abs() < 0.58)
    assert not occupied[cavity].any() and occupied[wall].all()


def test_a_single_sheet_is_not_solid():
    sheet = Mesh(torch.tensor([[-0.5, 0, -0.5], [0.5, 0, -0.5], [0, 0, 0.5]]), torch.tensor([[0, 1, 2]]))
    assert not mesh_occupancy(sheet, 16).any()


def test_resolution_one_is_refused():
    with pytest.raises(ValueError, match="resolution 1"):
        mesh_occupancy(mesh_of(sphere()), 1)


def test_iou_of_meshes_against_closed_forms():
    thin, shifted = ((-0.6, -0.02, -0.6), (0.6, 0.02, 0.6)), ((-0.6, -0.01, -0.6), (0.6, 0.03, 0.6))
    a, b = (mesh_of(box(*bounds)) for bounds in (thin, shifted))
    assert mesh_iou(a, a, 64) == 1
    assert mesh_iou(a, b, 64) == pytest.approx(0.03 / 0.05, abs=0.01)  # 1.3 cells thick, a third of one apart
    assert mesh_iou(mesh_of(sphere(0.6)), mesh_of(sphere(0.7)), 64) == pytest.approx((6 / 7) ** 3, rel=0.01)


def test_two_meshes_are_turned_by_a_rotation():
    torch.testing.assert_close(ASKEW @ ASKEW.T, torch.eye(3))
    assert torch.linalg.det(ASKEW) == pytest.approx(1)
