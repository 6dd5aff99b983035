import fast_simplification
import pytest
import torch
from shapes import extracted, solid

from dream3d.mesh.clean import close, inspect, welded
from dream3d.mesh.holes import fill_holes
from dream3d.mesh.nonmanifold import balanced, parted
from dream3d.types import Mesh

WEDGE = torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
"""A tetrahedron, facing outwards."""


def wedges(angles, width=0.5) -> Mesh:
    """Tetrahedra of one common edge along z, each from one of these angles on."""
    vertices, faces = [torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])], []
    for i, angle in enumerate(angles):
        side = torch.tensor([angle, angle + width])
        vertices.append(torch.stack((side.cos(), side.sin(), torch.full_like(side, 0.5)), dim=1))
        faces.append(torch.tensor([0, 1, 2 * i + 2, 2 * i + 3])[WEDGE])
    return Mesh(torch.cat(vertices), torch.cat(faces))


def decimated(faces: int) -> Mesh:
    """A gyroid's thin walls with too few faces."""

    def gyroid(x):
        s, c = torch.sin(8 * x), torch.cos(8 * x)
        return torch.maximum((s * c.roll(-1, 1)).sum(1).abs() - 0.3, x.norm(dim=-1) - 0.8) / 8

    fine = extracted(solid(gyroid), 40)
    vertices, kept = fast_simplification.simplify(fine.vertices.numpy(), fine.faces.int().numpy(), target_count=faces)
    return Mesh(torch.tensor(vertices), torch.tensor(kept, dtype=torch.int64))


@pytest.mark.parametrize("angles", [[0.0, 3.0], [0.0, 0.7, 4.0], [-1.0, 0.4, 1.8, 3.1]])
def test_solids_that_share_an_edge_are_parted(angles):
    mesh = wedges(angles)
    assert not inspect(mesh).watertight
    before, after = inspect(mesh), inspect(parted(mesh))
    assert after.watertight and after.manifold_edges
    assert after.faces == before.faces + 2 * len(angles)
    assert after.volume == pytest.approx(before.volume, rel=0.01)
    single = inspect(wedges(angles[:1])).volume
    assert single > 0 and before.volume == pytest.approx(len(angles) * single, rel=1e-4)


def test_a_notch_is_parted_as_two_solids_are():
    """Turned inside out, the empty wedges become the solid ones: pairs must be the others."""
    mesh = wedges([0.0, 3.0])
    after = inspect(parted(Mesh(mesh.vertices, mesh.faces.flip(1))))
    assert after.watertight and after.volume == pytest.approx(-inspect(mesh).volume, rel=0.02)


def test_a_tidy_mesh_stays_as_it_is():
    mesh = wedges([0.0])
    assert torch.equal(parted(mesh).faces, mesh.faces) and torch.equal(balanced(mesh).faces, mesh.faces)


def test_edges_of_three_faces_and_turned_faces_become_holes():
    mesh = wedges([0.0, 3.0])
    fin = Mesh(mesh.vertices, torch.cat((mesh.faces[:4], torch.tensor([[0, 1, 5]]))))  # 0 1 is used thrice
    left = balanced(fin)
    assert len(left.faces) == 2
    report = inspect(fill_holes(left))
    assert report.watertight and report.faces == 2 + 4
    assert len(balanced(Mesh(mesh.vertices, mesh.faces[[0, 1, 2, 3, 3]])).faces) < 4  # one face doubled


@pytest.mark.parametrize("faces", [500, 3000])
def test_a_pinched_mesh_is_closed_without_loss(faces):
    mesh = decimated(faces)
    before, after = inspect(mesh), inspect(close(mesh))
    assert not before.watertight
    assert after.watertight and after.manifold_edges
    assert after.volume == pytest.approx(abs(before.volume), rel=0.02)
    assert welded(close(mesh)).faces.shape == close(mesh).faces.shape
