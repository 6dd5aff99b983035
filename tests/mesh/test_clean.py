import math
from dataclasses import replace

import pytest
import torch
from scenes import box, sphere
from shapes import ball, cleaned, extracted, ring, solid

from dream3d.geometry.normals import vertex_normals
from dream3d.mesh.clean import clean, close, component_volumes, decimate, inspect, keep_large, smooth, welded
from dream3d.mesh.holes import boundary_loops, fill_holes
from dream3d.types import Mesh

BALL = 4 / 3 * math.pi * 0.6**3


def two(radius):
    """A ball of 0.4 and one of ``radius`` beside it."""
    return solid(lambda x: torch.minimum(ball(x, 0.4, (-0.4, 0, 0)), ball(x, radius, (0.5, 0, 0))))


def test_report_of_a_cube():
    report = inspect(box(1.0))
    assert (report.vertices, report.faces, report.components, report.euler) == (8, 12, 1, 2)
    assert report.watertight and report.manifold_edges
    assert report.volume == pytest.approx(1.0) and report.area == pytest.approx(6.0)


def test_report_of_an_open_and_of_a_turned_cube():
    cube = box(1.0)
    opened = inspect(replace(cube, faces=cube.faces[1:]))
    assert not opened.watertight and not opened.manifold_edges
    turned = inspect(replace(cube, faces=torch.cat((cube.faces[:1].flip(1), cube.faces[1:]))))
    assert turned.manifold_edges and not turned.watertight


def test_component_volumes():
    owner, volume = component_volumes(extracted(two(0.2)))
    assert len(owner.unique()) == 2
    expected = torch.tensor([0.2, 0.4]) ** 3 * 4 / 3 * math.pi
    torch.testing.assert_close(volume.sort().values, expected, rtol=0.03, atol=0)


@pytest.mark.parametrize(("share", "parts"), [(0.1, 2), (0.2, 1), (1.0, 1), (0.0, 2)])
def test_small_parts_go(share, parts):  # the small one has 1/8 of the volume
    kept = keep_large(extracted(two(0.2)), share=share)
    assert inspect(kept).components == parts and len(kept.vertices) == inspect(kept).vertices
    assert kept.vertices[:, 0].min() < -0.7  # the large one stays


def test_share_is_checked():
    with pytest.raises(ValueError, match=r"mesh\.share: got 1\.5"):
        keep_large(sphere(), share=1.5)


@pytest.mark.parametrize(("shape", "volume", "euler"), [(ball, BALL, 2), (ring, 0.04 * math.pi**2, 0)])
def test_decimation_keeps_shape(shape, volume, euler):
    report = inspect(cleaned(solid(shape)))
    assert 1900 <= report.faces <= 2000 and report.euler == euler
    assert report.watertight and report.manifold_edges
    assert report.volume == pytest.approx(volume, rel=0.02)


def test_decimation_leaves_small_meshes_alone_and_checks_its_budget():
    mesh = sphere()
    assert decimate(mesh, faces=len(mesh.faces)) is mesh
    with pytest.raises(ValueError, match=r"mesh\.faces: got 2"):
        decimate(mesh, faces=2)


def test_close_fills_holes_turns_outwards_and_drops_doubles():
    mesh = welded(sphere())
    damaged = torch.cat((mesh.faces[7:], mesh.faces[300:301].repeat(2, 1), torch.tensor([[4, 4, 9]])))
    report = inspect(close(Mesh(mesh.vertices, damaged.flip(1))))
    assert report.watertight
    assert report.volume == pytest.approx(inspect(mesh).volume, rel=0.01)


@pytest.mark.parametrize("lost", [0.001, 0.3])
def test_holes_are_filled_also_where_they_touch(lost):
    mesh = welded(sphere())
    kept = torch.rand(len(mesh.faces), generator=torch.Generator().manual_seed(1)) > lost
    report = inspect(fill_holes(replace(mesh, faces=mesh.faces[kept])))
    assert kept.sum() < len(mesh.faces) and report.watertight
    assert report.volume == pytest.approx(inspect(mesh).volume, rel=0.01)


def test_boundary_loops():
    """Two triangles that touch in a vertex have two borders, not one."""
    pair = Mesh(torch.zeros(7, 3), torch.tensor([[0, 1, 2], [0, 3, 4]]))
    assert sorted(sorted(loop) for loop in boundary_loops(pair)) == [[0, 1, 2], [0, 3, 4]]
    assert boundary_loops(welded(sphere())) == []


def test_smoothing_flattens_noise_without_shrinking():
    mesh = welded(sphere(0.5, 4))
    noise = 0.01 * torch.randn(mesh.vertices.shape, generator=torch.Generator().manual_seed(0))
    rough = replace(mesh, vertices=mesh.vertices + noise)
    after = smooth(rough, iterations=5)
    spread = [m.vertices.norm(dim=1).std() for m in (rough, after)]
    assert spread[1] < spread[0] / 2
    assert inspect(after).volume == pytest.approx(inspect(mesh).volume, rel=0.02)
    assert smooth(rough, iterations=0) is rough


def test_normals_of_a_sphere_and_of_a_cube():
    mesh = cleaned(solid(ball))
    exact = torch.nn.functional.normalize(mesh.vertices, dim=-1)
    assert (vertex_normals(mesh.vertices, mesh.faces) * exact).sum(-1).min() > 0.985
    cube = welded(box())  # angle weights: independent of the diagonals, so along the corner's diagonal
    exact = torch.nn.functional.normalize(cube.vertices, dim=-1)
    torch.testing.assert_close(vertex_normals(cube.vertices, cube.faces), exact)


def test_normal_of_a_lonely_vertex_is_up():
    normals = vertex_normals(torch.eye(3).repeat(2, 1), torch.tensor([[0, 1, 2]]))
    torch.testing.assert_close(normals[4], torch.tensor([0.0, 1.0, 0.0]))


def test_clean_gives_normals():
    mesh = clean(extracted(solid(ball)), share=0.0, smoothing=2, faces=500)
    assert mesh.normals is not None and inspect(mesh).faces <= 500
    torch.testing.assert_close(mesh.normals.norm(dim=1), torch.ones(len(mesh.vertices)))
