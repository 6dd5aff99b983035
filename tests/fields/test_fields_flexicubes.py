"""The field on cubes: where it starts, that it stays closed, what is trained."""

import pytest
import torch
from test_dmtet import Painted

from dream3d.fields.mesh_field import flexicubes
from dream3d.mesh.clean import inspect
from dream3d.types import Explicit, Field


def ball(**knobs):
    return flexicubes(appearance=Painted(), distance=lambda x: x.norm(dim=1) - 0.5, resolution=16, **knobs)


def test_it_is_explicit():
    assert isinstance(ball(), Explicit) and isinstance(ball(), Field)


def test_it_starts_at_the_given_surface():
    radius = ball().extract()[0].vertices.norm(dim=1)
    assert (radius - 0.5).abs().max() < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_the_surface_is_closed_and_inside_the_ball_wherever_parameters_wander(seed):
    field, draw = ball(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (
            field.shape.nodes.sdf,
            field.shape.nodes.offset,
            field.shape.weights,
            *field.shape.nodes.coarse,
        ):
            parameter.add_(2 * torch.randn(parameter.shape, generator=draw))
        mesh, _ = field.extract()
    report = inspect(mesh)
    assert report.watertight and report.manifold_edges
    assert mesh.vertices.norm(dim=1).max() < 1.2


def test_every_parameter_has_a_gradient():
    field = ball()
    mesh, grid = field.extract()
    weight = torch.randn(mesh.vertices.shape, generator=torch.Generator().manual_seed(0))
    ((mesh.vertices * weight).sum() + grid.deviation.sum()).backward()
    for part in (field.shape.nodes.sdf, field.shape.nodes.offset, *field.shape.nodes.coarse):
        assert part.grad.abs().max() > 0
    alpha, beta, gamma = field.shape.weights.grad.split((8, 12, 1), dim=1)
    assert min(float(g.abs().max()) for g in (alpha, beta, gamma)) > 0


def test_parameters_and_their_shares_of_the_rate():
    groups = {g["name"]: g for g in ball(lr_scale=3.0, weight_scale=0.5).parameter_groups()}
    assert groups["weights"]["lr_scale"] == 1.5 and groups["shape"]["lr_scale"] == 3.0
    assert sum(len(g["params"]) for g in groups.values()) == len(list(ball().parameters()))
