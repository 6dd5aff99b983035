import numpy as np
import pytest
import torch
from test_mini_latents import LATENT, Ball

from dream3d.cameras import flatten, pixel_rays, turntable
from dream3d.priors.mini.latents import Latents
from dream3d.priors.mini.painting import AMBIENT, LIGHT, Painter, ShadedSurface, rays_through
from dream3d.types import Mesh


@pytest.fixture
def painter(tmp_path):
    latents = Latents(tmp_path / "none.npz", Ball())
    latents.extra["ball"] = LATENT
    return Painter(latents)


def cameras(n=4):
    return flatten(turntable(n, 0.3, 3.0, 0.7, 32))


def test_a_flat_side_has_its_albedo_times_the_shade():
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 0.5
    colour = torch.tensor([0.2, 0.6, 0.9])
    mesh = Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), colours=colour.expand(4, 3))
    front = ShadedSurface(mesh).view(flatten(turntable(1, 0.0, 3.0, 0.7, 32))[0], 32)
    shade = AMBIENT + (1 - AMBIENT) * float(LIGHT[2])
    assert torch.allclose(front[:3, 16, 16], shade * colour, atol=1e-5) and float(front[3, 16, 16]) == 1
    assert float(front[:, 0, 0].abs().max()) == 0


def test_the_outline_of_a_ball_has_its_area(painter):
    view = painter.paint([painter.number("ball", None)], cameras(1), 64)
    half = 64 / 2 / torch.tan(torch.tensor(0.35)) * 0.5 / (3.0**2 - 0.25) ** 0.5  # silhouette radius in pixels
    assert float(view[0, 3].sum()) == pytest.approx(float(torch.pi * half**2), rel=0.02)


def test_numbers_cameras_and_colours(painter):
    plain, green = painter.number("ball", None), painter.number("ball", (0.0, 1.0, 0.0))
    assert (plain, green, painter.number("ball", None)) == (1, 2, 1)
    views = painter.paint([plain, green, 0, plain], torch.cat((cameras(3), torch.zeros(1, 17))), 32)
    assert float(views[2:].abs().max()) == 0
    assert float(views[0, 1].max()) == 0 < float(views[1, 1].max())
    assert torch.equal(painter.paint([plain], cameras(3)[:1], 32)[0], views[0])


def test_rays_go_through_the_pixels():
    camera = turntable(3, 0.4, 3.0, 0.8, 8)[1:2]
    origin, directions = rays_through(flatten(camera)[0], 8, slice(0, 8), slice(0, 8))
    exact = pixel_rays(camera)
    found = torch.nn.functional.normalize(torch.from_numpy(directions), dim=-1)
    assert torch.allclose(found, exact.direction[0], atol=1e-6)
    assert torch.allclose(torch.from_numpy(origin), exact.origin[0])
    part = rays_through(flatten(camera)[0], 8, slice(2, 5), slice(1, 3))[1]
    assert np.array_equal(part, directions[2:5, 1:3])


def test_the_window_hides_nothing(painter):
    surface = painter.surface(painter.number("ball", None))
    for camera in cameras(5):
        rows, columns = surface.window(camera, 64)
        origin, directions = rays_through(camera, 64, slice(0, 64), slice(0, 64))
        face, _, _ = surface.scene.first(np.tile(origin, (64 * 64, 1)), directions.reshape(-1, 3))
        everywhere = face.reshape(64, 64) >= 0
        assert everywhere.sum() == everywhere[rows, columns].sum() > 100
        assert everywhere[rows, columns].mean() > 0.25
