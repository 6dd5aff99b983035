"""Light on materials: white furnaces, closed forms of the diffuse part, the microfacets' own laws."""

import math

import pytest
import torch
import torch.nn.functional as F

from dream3d.render.environment import DIELECTRIC, EnvironmentLight, ggx
from dream3d.render.srgb import linear, srgb

FURNACE = EnvironmentLight(sky=1.0, ground=1.0)


def directions(n, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, 3, generator=draw, dtype=torch.float64), dim=-1)


def lit(environment, colour, roughness, metallic, normal, view):
    n = len(normal)
    material = torch.tensor([[roughness, metallic]], dtype=normal.dtype).expand(n, 2)
    base = torch.tensor([colour], dtype=normal.dtype).expand(n, 3)
    return environment(base, material, normal, view)


@pytest.mark.parametrize("roughness", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("metallic", [0.0, 0.4, 1.0])
def test_in_a_white_furnace_white_is_white(roughness, metallic):
    got = lit(FURNACE, (1.0, 1.0, 1.0), roughness, metallic, directions(50), directions(50, 1))
    torch.testing.assert_close(got, torch.ones_like(got), atol=1e-6, rtol=0)


def test_a_furnace_shows_a_diffuse_colour_and_the_fresnel_term_of_black():
    """Head-on a rough dielectric reflects 4 % and shows the rest of its colour."""
    normal = directions(20)
    grey = lit(FURNACE, (0.5, 0.5, 0.5), 1.0, 0.0, normal, normal)
    expected = DIELECTRIC + (1 - DIELECTRIC) * linear(torch.tensor(0.5, dtype=torch.float64))
    torch.testing.assert_close(linear(grey), expected.expand_as(grey), atol=1e-6, rtol=0)
    black = lit(FURNACE, (0.0, 0.0, 0.0), 1.0, 0.0, normal, normal)
    torch.testing.assert_close(linear(black), torch.full_like(black, DIELECTRIC), atol=1e-6, rtol=0)


def test_irradiance_is_the_integral_of_the_radiance():
    """A black dielectric's 4 % aside, white shows the mean of L over cosine-weighted directions: 200 000."""
    light, up = EnvironmentLight(sky=0.9, ground=0.3), directions(1)
    around = directions(200_000, 1) + up  # Lambert: a point of the unit sphere that is tangent at the surface
    radiance = light.mean + light.slope * F.normalize(around, dim=-1)[:, 1]
    white, black = (linear(lit(light, (c,) * 3, 1.0, 0.0, up, up))[0, 0] for c in (1.0, 0.0))
    assert float(white - black) / (1 - DIELECTRIC) == pytest.approx(float(radiance.mean()), abs=2e-3)


def test_a_lamp_on_a_diffuse_surface_is_lambert():
    """Seen along the lamp's direction, with a metallic of 0: ``(1 - F) base s cos + F s pi D V cos``."""
    lamp = EnvironmentLight(sky=0.0, ground=0.0, lamps=[[0.0, 0.0, 2.0, 0.5]])
    view = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    angle = torch.tensor(1.0, dtype=torch.float64)
    normal = torch.stack((angle.sin(), angle * 0, angle.cos()))[None]
    cosine = math.cos(1.0)
    d = 1 / math.pi  # a = 1
    v = 0.5 / (2 * cosine)
    expected = 0.5 * cosine * ((1 - DIELECTRIC) * 0.25 + DIELECTRIC * math.pi * d * v)
    base = srgb(torch.tensor(0.25, dtype=torch.float64)).item()
    got = linear(lit(lamp, (base,) * 3, 1.0, 0.0, normal, view))
    torch.testing.assert_close(got, torch.full_like(got, expected), atol=1e-6, rtol=0)


def test_a_surface_turned_away_from_the_lamp_is_dark_and_has_two_sides():
    lamp = EnvironmentLight(sky=0.0, ground=0.0, lamps=[[0.0, 0.0, 1.0, 1.0]])
    normal = torch.tensor([[0.0, 0.6, -0.8]], dtype=torch.float64)
    assert float(lit(lamp, (1.0,) * 3, 0.5, 0.0, normal, normal).max()) == 0
    normal, view = directions(30), directions(30, 1)
    args = ((0.3, 0.5, 0.7), 0.4, 0.5)
    torch.testing.assert_close(lit(lamp, *args, normal, view), lit(lamp, *args, -normal, view))


def hemisphere(n=400):
    """Midpoints in cos(theta) and phi, and the solid angle of each."""
    z = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    phi = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * math.pi
    z, phi = torch.meshgrid(z, phi, indexing="ij")
    r = (1 - z**2).sqrt()
    return torch.stack((r * phi.cos(), r * phi.sin(), z), dim=-1).view(-1, 3), 2 * math.pi / n**2


@pytest.mark.parametrize("roughness", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("tilt", [0.1, 0.7, 1.2])
def test_microfacets_give_back_no_more_than_they_get(roughness, tilt):
    """``int D V (n.l) dl <= 1``: of rough ones the one bounce loses some, down to 1 - ln 2 head-on."""
    light, solid = hemisphere()
    view = torch.tensor([math.sin(tilt), 0.0, math.cos(tilt)], dtype=torch.float64)
    half = F.normalize(light + view, dim=-1)
    nl, nv, nh = light[:, 2:], torch.full_like(light[:, 2:], math.cos(tilt)), half[:, 2:]
    rough = torch.full_like(nl, roughness)
    total = float((ggx(nh, nl, nv, rough) * nl).sum() * solid)
    assert 0.3 < total < 1.005
    if roughness == 0.3 and tilt < 1:
        assert total > 0.95


def test_the_roughest_microfacets_head_on_have_a_closed_form():
    """With a = 1, ``D = 1 / pi`` and ``V = 1 / (2 (n.l + n.v))``, so the integral is 1 - ln 2."""
    light, solid = hemisphere()
    one, nl = torch.ones_like(light[:, 2:]), light[:, 2:]
    total = float((ggx(one, nl, one, one) * nl).sum() * solid)
    assert total == pytest.approx(1 - math.log(2), rel=1e-4)


def test_what_cannot_be_light_is_refused():
    with pytest.raises(ValueError, match="no negative light"):
        EnvironmentLight(sky=-0.1)
    for lamp in ([0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0]):
        with pytest.raises(ValueError, match=r"expected \[x, y, z, strength >= 0\]"):
            EnvironmentLight(lamps=[lamp])


def test_gradients_reach_colour_and_material():
    light = EnvironmentLight(lamps=[[0.3, 0.8, 0.5, 0.3]])
    colour = torch.full((8, 3), 0.4, dtype=torch.float64, requires_grad=True)
    material = torch.full((8, 2), 0.4, dtype=torch.float64, requires_grad=True)
    normal, view = directions(8), directions(8, 1)
    assert torch.autograd.gradcheck(lambda c, m: light(c, m, normal, view), (colour, material))
