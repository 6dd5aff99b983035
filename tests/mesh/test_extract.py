import math

import pytest
import torch
from shapes import CHUNK, Analytic, ball, extracted, gaussian, ring, solid

from dream3d.mesh.clean import inspect
from dream3d.mesh.extract import Grid, find_isovalue, isosurface, sample
from dream3d.mesh.isovalue import EmptyField, SolidField


def test_grid_asks_only_inside_the_ball_and_knows_where_its_points_are():
    asked = []
    field = Analytic(lambda x: asked.append(x) or x[:, 0] + 2)
    grid = sample(field, resolution=16, chunk=100)
    points = torch.cat(asked)
    assert len(asked) > 1 and points.norm(dim=1).max() <= 1
    index = (grid.density > 0).nonzero()
    assert len(index) == len(points)
    x = grid.points(index.float())[:, 0]
    torch.testing.assert_close(grid.density[tuple(index.T)], x + 2)


@pytest.mark.parametrize("field", [solid(ball), solid(ball, 1e6), solid(ball, 50, 0.01)], ids=["hard", "huge", "soft"])
def test_sphere_at_a_given_level(field):
    mesh = extracted(field, level=25.0)
    radius = mesh.vertices.norm(dim=1)
    report = inspect(mesh)
    assert report.watertight and report.manifold_edges and report.components == 1 and report.euler == 2
    assert (radius - 0.6).abs().max() < 0.003  # a cell is 0.042
    assert report.volume == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.01)
    assert report.area == pytest.approx(4 * math.pi * 0.6**2, rel=0.01)


def test_refinement_is_what_makes_a_hard_sphere_round():
    plain = (extracted(solid(ball), refine=0).vertices.norm(dim=1) - 0.6).abs()
    refined = (extracted(solid(ball), refine=6).vertices.norm(dim=1) - 0.6).abs()
    assert plain.max() > 0.008 and refined.max() < plain.max() / 5


def test_refinement_finds_the_level_of_a_curved_density():
    field = gaussian(30.0, 0.2)
    mesh = extracted(field, level=3.0)
    torch.testing.assert_close(field.density(mesh.vertices), torch.full((len(mesh.vertices),), 3.0), rtol=1e-3, atol=0)


def test_torus_has_a_hole():
    report = inspect(extracted(solid(ring)))
    assert report.euler == 0 and report.components == 1 and report.watertight
    assert report.volume == pytest.approx(2 * math.pi**2 * 0.5 * 0.2**2, rel=0.02)


def test_axes_are_not_swapped_and_faces_look_outwards():
    radii = torch.tensor([0.3, 0.5, 0.8])
    mesh = extracted(solid(lambda x: (x / radii).norm(dim=-1) - 1))
    torch.testing.assert_close(mesh.vertices.amax(0), radii, atol=0.01, rtol=0)
    torch.testing.assert_close(mesh.vertices.amin(0), -radii, atol=0.01, rtol=0)
    assert inspect(mesh).volume == pytest.approx(4 / 3 * math.pi * radii.prod().item(), rel=0.02)
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    outward = (torch.linalg.cross(b - a, c - a) * ((a + b + c) / radii**2)).sum(-1)
    assert (outward > -1e-6).all()


def test_cavities_are_filled_and_nothing_else():
    hollow = solid(lambda x: torch.maximum(ball(x, 0.6), -ball(x, 0.3)))
    inside = solid(lambda x: torch.minimum(torch.maximum(ball(x, 0.6), -ball(x, 0.4)), ball(x, 0.2)))
    for field in (hollow, inside):
        report = inspect(extracted(field))
        assert report.components == 1 and report.volume == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.01)


def test_what_reaches_the_ball_is_closed_there():
    mesh = extracted(Analytic(lambda x: 50.0 * (x[:, 1] > 0)))
    report = inspect(mesh)
    assert report.watertight and report.euler == 2
    assert report.volume == pytest.approx(2 / 3 * math.pi, rel=0.02)


@pytest.mark.parametrize("level", ["auto", 1.0])
def test_empty_is_named(level):
    with pytest.raises(EmptyField, match=r"EMPTY.*max density.*0\.0098.*mesh\.isovalue"):
        extracted(gaussian(0.01, 0.2), level=level)


@pytest.mark.parametrize("level", ["auto", 1.0])
def test_solid_is_named(level):
    with pytest.raises(SolidField, match=r"SOLID: got 100%.*raise mesh\.isovalue"):
        extracted(Analytic(lambda x: torch.full((len(x),), 30.0)), level=level)


@pytest.mark.parametrize("level", ["car", 0.0, -1.0, math.inf, math.nan])
def test_levels_that_make_no_sense(level):
    grid = Grid(torch.ones(10, 10, 10), 0.25)
    with pytest.raises(ValueError, match=r"mesh\.isovalue: got .* expected auto or a density > 0"):
        find_isovalue(grid, level)


def test_other_mistakes_are_named():
    with pytest.raises(ValueError, match=r"mesh\.resolution: got 4"):
        sample(solid(ball), resolution=4, chunk=CHUNK)
    with pytest.raises(ValueError, match=r"mesh\.chunk: got 0"):
        sample(solid(ball), resolution=16, chunk=0)
    with pytest.raises(ValueError, match="density is not finite"):
        sample(Analytic(lambda x: x[:, 0] / 0), resolution=16, chunk=CHUNK)


def test_no_gradient_and_no_change_of_the_grid():
    field = solid(ball)
    grid = sample(field, resolution=16, chunk=CHUNK)
    before = grid.density.clone()
    mesh = isosurface(field, grid, 25.0, refine=3, chunk=CHUNK)
    assert not mesh.vertices.requires_grad and torch.equal(grid.density, before)
