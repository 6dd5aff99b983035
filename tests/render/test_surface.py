"""The mesh renderer: called like the volume's, and able to bring back a known mesh from its pictures."""

import inspect
from dataclasses import replace

import pytest
import torch
from scenes import box

from dream3d.cameras import Orbit, orbit
from dream3d.fields.material import Material
from dream3d.fields.mesh_field import dmtet, flexicubes
from dream3d.fields.triplane import Triplane
from dream3d.geometry.surface_sampling import surface_points
from dream3d.metrics.chamfer import chamfer
from dream3d.metrics.psnr import psnr
from dream3d.regularize.eikonal import eikonal
from dream3d.regularize.laplacian import laplacian
from dream3d.render.environment import EnvironmentLight
from dream3d.render.reference import Reference
from dream3d.render.shading import Lambertian
from dream3d.render.srgb import linear
from dream3d.render.surface import MeshRenderer
from dream3d.render.volume import VolumeRenderer
from dream3d.types import Mesh


def field(radius=0.6, resolution=16, kind=dmtet):
    colours = Triplane(generator=torch.Generator().manual_seed(0), resolutions=(16, 48))
    return kind(appearance=colours, distance=lambda x: x.norm(dim=1) - radius, resolution=resolution, lr_scale=2.0)


def views(n, size):
    """Evenly over the sphere."""
    azimuth = torch.arange(n) * 2.39996
    elevation = torch.asin(torch.linspace(-0.9, 0.95, n))
    return orbit(azimuth, elevation, torch.full((n,), 3.2), torch.full((n,), 0.6), size)


@pytest.mark.parametrize("method", ["update", "forward"])
def test_it_is_called_as_the_volume_renderer(method):
    ours, other = (inspect.signature(getattr(r, method)).parameters for r in (MeshRenderer, VolumeRenderer))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in other.values()]


def test_shading_sees_normals_points_and_views():
    camera = views(2, 24)
    lit = MeshRenderer(supersample=1)(
        field(), camera, normals="finite", shading=Lambertian(camera.c2w[:, :3, 3], 0.0, 1.0)
    )
    plain = MeshRenderer(supersample=1)(field(), camera)
    share = lit.image.colour.sum(-1) / plain.image.colour.sum(-1).clamp(min=1e-6)
    assert share[:, 12, 12].min() > 0.97  # the light comes from the camera
    assert (share[plain.image.alpha[..., 0] == 1] <= 1.001).all()
    assert lit.mesh is not None and lit.grid is not None


@pytest.mark.parametrize("kind", [dmtet, flexicubes])
def test_a_known_mesh_comes_back_from_its_pictures(kind):
    """From a ball to a coloured box: shape and colour, from 24 views of 48 pixels in 80 steps."""
    truth = replace(box(0.8), colours=0.2 + 0.6 * box().colours)
    camera = views(24, 48)
    wanted = Reference(truth).picture(camera, supersample=4, ambient=1.0)
    model, render = field(resolution=20, kind=kind), MeshRenderer(supersample=1)
    rate, steps, draw = 0.03, 80, torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([{**g, "lr": 0.0} for g in model.parameter_groups()], betas=(0.9, 0.99), eps=1e-15)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"] * (1 - 0.9 * step / steps)
        i = torch.randperm(24, generator=draw)[:2]
        seen = render(model, camera[i])
        loss = 4 * (seen.image.alpha - wanted.alpha[i]).square().mean()
        loss = loss + 4 * (seen.image.colour - wanted.colour[i]).square().mean()
        loss = loss + 0.01 * laplacian(seen) + 0.01 * eikonal(seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = model.extract()[0]
    found = Mesh(found.vertices.detach(), found.faces)
    points = [surface_points(m, 30000, torch.Generator().manual_seed(1)) for m in (found, truth)]
    assert chamfer(*points) <= 0.02
    new = Orbit(fov_y=(34, 34)).sample(6, 64, draw)
    with torch.no_grad():
        got = render(model, new).image.over(torch.ones(1, 1, 1, 3))
    expected = Reference(truth).picture(new, supersample=4, ambient=1.0).over(torch.ones(1, 1, 1, 3))
    assert psnr(got, expected) >= 27


def test_bad_supersampling_is_an_error():
    with pytest.raises(ValueError, match="supersample"):
        MeshRenderer(supersample=0)


def test_sphere_pictures_have_the_colours_of_the_field():
    model = field()
    seen = MeshRenderer(supersample=1)(model, views(1, 25))
    torch.testing.assert_close(
        seen.image.colour[0, 12, 12],
        model.surface(torch.nn.functional.normalize(views(1, 25).c2w[:, :3, 3]) * 0.6).colour[0],
        atol=2e-2,
        rtol=0,
    )


def lit(light, **material):
    colours = Triplane(generator=torch.Generator().manual_seed(0), resolutions=(16, 48))
    made = dmtet(
        appearance=colours,
        distance=lambda x: x.norm(dim=1) - 0.6,
        resolution=12,
        levels=[6],
        material=lambda: Material(**material),
    )
    return made, MeshRenderer(supersample=1, light=light)


def test_a_light_shows_the_material():
    """In constant white light a rough dielectric of colour c shows 0.04 + 0.96 c (linear) in its middle."""
    made, renderer = lit(EnvironmentLight(sky=1.0, ground=1.0), roughness=0.999, metallic=0.001)
    view = views(1, 33)
    plain = MeshRenderer(supersample=1)(made, view).image.colour[0, 16, 16]
    shown = renderer(made, view).image.colour[0, 16, 16]
    torch.testing.assert_close(linear(shown), 0.04 + 0.96 * linear(plain), atol=2e-3, rtol=0)
    shown.sum().backward()
    assert float(made.material.grid.grad.abs().sum()) > 0
    # A shading asked for by name is left alone.
    albedo = renderer(made, view, shading=lambda colour, *_: colour).image.colour[0, 16, 16]
    torch.testing.assert_close(albedo, plain)


def test_a_light_on_a_field_without_a_material_is_said():
    with pytest.raises(ValueError, match="a MeshField without a material"):
        MeshRenderer(light=EnvironmentLight())(field(resolution=8), views(1, 8))
