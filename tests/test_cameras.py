import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dream3d.cameras import Orbit, flatten, framing_distance, look_at, orbit, pixel_rays, turntable, unflatten
from dream3d.seeding import generator


def one(azimuth: float, elevation: float, distance: float = 3.0, size: int = 8):
    tensors = (torch.tensor([math.radians(a)]) for a in (azimuth, elevation))
    return orbit(*tensors, torch.tensor([distance]), torch.tensor([0.7]), size)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "position"),
    [(0, 0, (0, 0, 3)), (90, 0, (3, 0, 0)), (180, 0, (0, 0, -3)), (0, 90, (0, 3, 0)), (-90, 0, (-3, 0, 0))],
)
def test_azimuth_zero_sees_the_front_and_grows_towards_x(azimuth, elevation, position):
    assert torch.allclose(one(azimuth, elevation).c2w[0, :3, 3], torch.tensor(position).float(), atol=1e-5)


@given(st.floats(-180, 180), st.floats(-89, 89))
@settings(max_examples=30, deadline=None)
def test_c2w_is_a_rotation_looking_at_the_origin(azimuth, elevation):
    c2w = one(azimuth, elevation).c2w[0]
    r = c2w[:3, :3]
    assert torch.allclose(r @ r.T, torch.eye(3), atol=1e-5)
    assert torch.det(r) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(-r[:, 2] * 3, -c2w[:3, 3], atol=1e-4)  # -z points at the origin
    assert r[1, 1] >= 0  # the image's up is the world's


def test_straight_from_above_is_no_singularity():
    camera = look_at(torch.tensor([[0.0, 2.0, 0.0]]), torch.zeros(1, 3), torch.tensor([[0.0, 1.0, 0.0]]))
    r = camera[0, :3, :3]
    assert torch.allclose(r @ r.T, torch.eye(3), atol=1e-5)


def test_rays_have_unit_length_and_the_corners_open_by_the_field_of_view():
    camera = one(30, 20, size=64)
    rays = pixel_rays(camera)
    assert torch.allclose(rays.direction.norm(dim=-1), torch.ones(1, 64, 64), atol=1e-5)
    top, bottom = rays.direction[0, 0, 32], rays.direction[0, -1, 32]
    assert math.acos(float(top @ bottom)) == pytest.approx(0.7 * 63 / 64, abs=0.01)
    assert top[1] > bottom[1]  # row 0 is at the top


def test_the_unit_ball_fills_the_asked_share_of_the_frame():
    fov, fill = torch.tensor([0.6]), torch.tensor([0.9])
    distance = framing_distance(fov, fill)
    rays = pixel_rays(orbit(torch.zeros(1), torch.zeros(1), distance, fov, 400))
    nearest = torch.linalg.cross(rays.origin, rays.direction).norm(dim=-1)[0]
    assert float((nearest[200] < 1).float().mean()) == pytest.approx(0.9, abs=0.01)


def test_orbit_is_stratified_seeded_and_in_range():
    sampler = Orbit(azimuth=(-180, 180), elevation=(-20, 80), fov_y=(30, 50))
    a, b = (sampler.sample(8, 16, generator(1, 2, "camera")) for _ in range(2))
    assert torch.equal(a.c2w, b.c2w)
    sector = ((a.azimuth + math.pi) / (2 * math.pi) * 8).floor()
    assert sector.tolist() == list(range(8))
    assert a.elevation.min() >= math.radians(-20) and a.elevation.max() <= math.radians(80)
    assert a.fov_y.min() >= math.radians(30) and a.fov_y.max() <= math.radians(50)


def test_elevation_uniform_on_the_sphere_has_the_mean_of_its_area():
    camera = Orbit(elevation=(0, 90), sphere=1.0).sample(4000, 8, generator(0, 0, "camera"))
    assert float(camera.elevation.sin().mean()) == pytest.approx(0.5, abs=0.02)


def test_flatten_and_back():
    camera = Orbit().sample(5, 32, generator(0, 0, "camera"))
    back = unflatten(flatten(camera), 32)
    for name in ("c2w", "fov_y", "elevation", "distance"):
        assert torch.allclose(getattr(back, name), getattr(camera, name), atol=1e-5)
    assert torch.allclose(back.azimuth.sin(), camera.azimuth.sin(), atol=1e-5)


def test_turntable_starts_at_the_front():
    camera = turntable(4, 0.0, 2.0, 0.7, 8)
    assert torch.allclose(camera.c2w[0, :3, 3], torch.tensor([0.0, 0.0, 2.0]), atol=1e-6)
    assert torch.allclose(camera.c2w[1, :3, 3], torch.tensor([2.0, 0.0, 0.0]), atol=1e-6)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"fov_y": (50, 30)}, "low <= high"),
        ({"fov_y": (0, 30)}, r"degrees inside \(0, 180\)"),
        ({"distance": (-1, 2)}, "expected > 0"),
    ],
)
def test_wrong_ranges_are_named(knobs, message):
    with pytest.raises(ValueError, match=message):
        Orbit(**knobs)
