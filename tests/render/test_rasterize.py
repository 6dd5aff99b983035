"""The rasteriser's pictures and, above all, its gradients: closed forms and central differences."""

import math
from dataclasses import replace

import pytest
import torch
from scenes import box, sphere

from dream3d.cameras import orbit
from dream3d.geometry.normals import smooth_normals
from dream3d.render.rasterize import rasterise
from dream3d.render.reference import Reference
from dream3d.types import Mesh


def camera(size, views=1, seed=0):
    draw = torch.Generator().manual_seed(seed)
    azimuth = torch.rand(views, generator=draw, dtype=torch.float64) * 6
    elevation = torch.rand(views, generator=draw, dtype=torch.float64) - 0.3
    far, fov = torch.full_like(azimuth, 3.0), torch.full_like(azimuth, 0.7)
    return orbit(azimuth, elevation, far, fov, size)


def double(mesh):
    return Mesh(mesh.vertices.double(), mesh.faces, mesh.colours.double())


def painted(mesh, colours=None):
    """Vertex colours as the colour of fragments."""
    values = mesh.colours if colours is None else colours
    return lambda seen, normal: (values[mesh.faces[seen.face]] * seen.barycentric[..., None]).sum(1)


def picture(mesh, view, **knobs):
    return rasterise(mesh, view, painted(mesh), **knobs)


def triangles(seed, count=6):
    """Random large overlapping triangles, each its own vertices: open borders and occlusion everywhere."""
    draw = torch.Generator().manual_seed(seed)
    centre = 0.5 * torch.randn(count, 1, 3, generator=draw, dtype=torch.float64)
    corners = (centre + 0.4 * torch.randn(count, 3, 3, generator=draw, dtype=torch.float64)).clamp(-0.8, 0.8)
    colours = torch.rand(3 * count, 3, generator=draw, dtype=torch.float64)
    return Mesh(corners.view(-1, 3), torch.arange(3 * count).view(-1, 3), colours)


def weighed(mesh, view, weight, **knobs):
    render = picture(mesh, view, **knobs)
    values = torch.cat((render.image.colour, render.image.alpha, render.depth, render.normal), dim=-1)
    return (values * weight[..., : values.shape[-1]]).sum()


def directional(function, x, seed, eps):
    """(autograd, central difference) of the derivative along a random direction."""
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype)
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(function(x), x)
    with torch.no_grad():
        difference = (function(x + eps * direction) - function(x - eps * direction)) / (2 * eps)
    return float((gradient * direction).sum()), float(difference)


@pytest.mark.parametrize("scene", ["box", "sphere", "triangles0", "triangles1"])
@pytest.mark.parametrize("what", ["vertices", "colours"])
@pytest.mark.parametrize("supersample", [1, 2])
def test_gradients_are_central_differences(scene, what, supersample):
    mesh = {"box": box, "sphere": sphere}[scene]() if not scene[-1].isdigit() else triangles(int(scene[-1]))
    mesh, view = double(mesh), camera(24, views=2)
    weight = torch.rand(2, 24, 24, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.3

    def total(x):
        return weighed(replace(mesh, **{what: x}), view, weight, supersample=supersample)

    for seed in range(3):
        exact, numeric = directional(total, getattr(mesh, what), seed, 1e-7)
        assert exact == pytest.approx(numeric, rel=0.02, abs=1e-3)


@pytest.mark.parametrize("supersample", [1, 2])
@pytest.mark.parametrize("subdivisions", [1, 3, 5])
def test_alpha_and_its_gradient_are_the_area_of_the_outline(subdivisions, supersample):
    """A ball of radius r at distance d covers ``pi (f r / sqrt(d^2 - r^2))^2`` pixels, whatever its
    triangles: from far larger to far smaller than a pixel."""
    ball, view, size = double(sphere(0.5, subdivisions)), camera(48), 48
    focal = size / (2 * math.tan(0.35))
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    mesh = replace(ball, vertices=ball.vertices * scale)
    area = picture(mesh, view, supersample=supersample).image.alpha.sum()
    (gradient,) = torch.autograd.grad(area, scale)
    r, d = 0.5, 3.0
    expected = math.pi * (focal * r) ** 2 / (d**2 - r**2)
    slope = 2 * expected * d**2 / (d**2 - r**2)
    flat = {1: 0.90, 3: 0.99, 5: 0.999}[subdivisions]  # a polyhedron inside the ball is smaller
    assert flat * expected < float(area.detach()) < 1.005 * expected
    assert float(gradient) == pytest.approx(slope * float(area.detach()) / expected, rel=0.04 / supersample)


def test_a_hidden_outline_passes_no_gradient():
    near, far = sphere(0.5), sphere(0.3)
    view = orbit(*(torch.tensor([x]) for x in (0.0, 0.0, 3.0, 0.7)), 32)
    behind = (far.vertices - torch.tensor([0.0, 0.0, 0.55])).requires_grad_()
    both = Mesh(
        torch.cat((near.vertices, behind)),
        torch.cat((near.faces, far.faces + len(near.vertices))),
        torch.cat((near.colours, far.colours)),
    )
    picture(both, view).image.colour.sum().backward()
    assert behind.grad is not None and behind.grad.abs().max() == 0


def test_an_outline_moves_towards_what_pictures_ask_for():
    """The loss of a ball that is too small falls along its gradient."""
    ball, view = sphere(0.5), camera(32, views=4)
    view = replace(view, **{k: getattr(view, k).float() for k in ("c2w", "fov_y")})
    wanted = picture(ball, view).image.alpha
    scale = torch.tensor(0.8, requires_grad=True)
    mesh = replace(ball, vertices=ball.vertices * scale)
    ((picture(mesh, view).image.alpha - wanted) ** 2).sum().backward()
    assert scale.grad is not None and scale.grad < 0


def test_pictures_are_those_of_the_reference():
    mesh, view = box(), camera(48, views=3)
    view = replace(view, **{k: getattr(view, k).float() for k in ("c2w", "fov_y")})
    ours = picture(mesh, view, supersample=2).image
    truth = Reference(mesh).picture(view, supersample=8, ambient=1.0)
    for got, expected in ((ours.alpha, truth.alpha), (ours.colour, truth.colour)):
        assert (got - expected).abs().mean() < 2e-3
        assert (got - expected).abs().max() < 0.2


def test_antialiasing_is_nearer_to_the_truth_than_pixel_centres():
    mesh, view = sphere(0.6, 4), camera(40, views=2)
    view = replace(view, **{k: getattr(view, k).float() for k in ("c2w", "fov_y")})
    truth = Reference(mesh).picture(view, supersample=8, ambient=1.0).alpha
    errors = [(picture(mesh, view, antialias=on).image.alpha - truth).abs().sum() for on in (True, False)]
    assert errors[0] < 0.3 * errors[1]


def test_depth_and_normals_are_those_of_the_ball():
    ball = sphere(0.5, 5)
    view = orbit(*(torch.tensor([x]) for x in (0.4, 0.2, 3.0, 0.7)), 33)
    render = picture(ball, view)
    assert float(render.depth[0, 16, 16]) == pytest.approx(2.5, abs=1e-3)
    towards = torch.nn.functional.normalize(view.c2w[0, :3, 3], dim=0)
    assert render.normal is not None
    torch.testing.assert_close(render.normal[0, 16, 16], towards, atol=2e-2, rtol=0)


def test_normals_of_slivers_have_a_finite_gradient():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0]], requires_grad=True)
    smooth_normals(vertices, torch.tensor([[0, 1, 2], [0, 1, 3]])).sum().backward()
    assert vertices.grad is not None and torch.isfinite(vertices.grad).all()


def test_a_mesh_without_faces_is_an_error():
    with pytest.raises(ValueError, match="0 faces"):
        picture(Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64), torch.zeros(3, 3)), camera(8))
