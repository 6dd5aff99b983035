"""A movable surface: where it starts, that it stays closed, what is trained."""

import pytest
import torch
from torch import nn

from dream3d.fields.mesh_field import dmtet
from dream3d.fields.voxel import Voxel
from dream3d.geometry.lattice import lattice
from dream3d.geometry.marching_tets import marching_tets
from dream3d.mesh.clean import inspect
from dream3d.types import Explicit, Field, Surface


class Painted(nn.Module):
    """Colour by position; one parameter."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def density(self, x):
        return torch.ones(len(x))

    def surface(self, x):
        return Surface(torch.ones(len(x)), self.gain * (0.5 + 0.5 * x))

    def parameter_groups(self):
        return [{"params": [self.gain], "name": "gain", "lr_scale": 2.0}]


def ball(**knobs):
    return dmtet(appearance=Painted(), distance=lambda x: x.norm(dim=1) - 0.5, resolution=16, **knobs)


def test_it_is_explicit_and_other_fields_are_not():
    assert isinstance(ball(), Explicit) and isinstance(ball(), Field)
    assert not isinstance(Voxel(generator=torch.Generator(), size=4), Explicit)


def test_it_starts_at_the_given_surface():
    radius = ball().extract()[0].vertices.norm(dim=1)
    assert (radius - 0.5).abs().max() < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_the_surface_is_closed_and_inside_the_ball_wherever_parameters_wander(seed):
    field, draw = ball(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (field.shape.nodes.sdf, field.shape.nodes.offset, *field.shape.nodes.coarse):
            parameter.add_(3 * torch.randn(parameter.shape, generator=draw))
        mesh = field.extract()[0]
    report = inspect(mesh)
    assert report.watertight and report.manifold_edges
    assert mesh.vertices.norm(dim=1).max() < 1.1


def test_offsets_never_turn_a_tetrahedron_inside_out():
    field = ball(reach=0.2)
    with torch.no_grad():
        field.shape.nodes.offset.normal_(0, 100, generator=torch.Generator().manual_seed(0))
    a, b, c, d = field.shape.grid().nodes[lattice(16)[1]].unbind(1)
    assert ((b - a) * torch.linalg.cross(c - a, d - a)).sum(-1).min() > 0


def test_coarse_grids_are_read_where_they_are():
    """A grid that says x, y or z of its own points says so of the nodes, too."""
    nodes = ball(levels=(5,)).shape.nodes
    with torch.no_grad():
        nodes.sdf.zero_()
        line = torch.linspace(-1, 1, 5) * (1 + nodes.spacing)
        for axis, shape in enumerate(((5, 1, 1), (1, 5, 1), (1, 1, 5))):
            nodes.coarse[0].copy_(line.view(shape).expand(5, 5, 5))
            torch.testing.assert_close(nodes.distances(), nodes.positions[:, axis], atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_skipping_blocks_of_one_sign_loses_no_triangle(seed):
    field = ball()
    with torch.no_grad():
        field.shape.nodes.sdf.add_(
            torch.randn(field.shape.nodes.sdf.shape, generator=torch.Generator().manual_seed(seed))
        )
        mesh, grid = field.extract()
        whole = marching_tets(grid.nodes, grid.sdf, lattice(16)[1])
    assert torch.equal(mesh.vertices, whole.vertices)
    assert torch.equal(mesh.faces.unique(dim=0), whole.faces.unique(dim=0))


def test_most_tetrahedra_are_skipped():
    field = dmtet(appearance=Painted(), distance=lambda x: x.norm(dim=1) - 0.5, resolution=32)
    assert len(field.shape.grid().cells) < 0.25 * len(lattice(32)[1])


def test_parameters_and_their_shares_of_the_rate():
    groups = {g["name"]: g for g in ball(lr_scale=3.0, colour_scale=0.5).parameter_groups()}
    assert groups["shape"]["lr_scale"] == 3.0 and groups["gain"]["lr_scale"] == 1.0
    assert sum(len(g["params"]) for g in groups.values()) == len(list(ball().parameters()))
