import dataclasses

import pytest
import torch
from noise_views import DISTANCE, FOV, RADIUS, orbiting, sphere_render

from dream3d.cameras import pixel_rays
from dream3d.noise.surface import SurfaceNoise, cell_keys, owners, surface
from dream3d.types import Camera, Image, Render

SIZE, CELL = 32, 0.025
PIXEL = 2 * DISTANCE * torch.tan(torch.tensor(FOV / 2)) / SIZE


def seen(camera: Camera, render: Render | None = None, *, n: int = 1, seed: int = 0) -> torch.Tensor:
    like = torch.zeros(n * len(camera), 3, SIZE, SIZE)
    return SurfaceNoise(seed, CELL)(like, render or sphere_render(camera), camera, torch.Generator().manual_seed(99))


def common(first: Camera, second: Camera) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(pixels of the first view, pixels of the second that show the same point, how far off their centres)."""
    render = sphere_render(first)
    assert render.rays is not None
    points = (render.rays.origin + render.depth * render.rays.direction)[0].view(-1, 3)
    mine = (render.image.alpha[0].flatten() > 0).nonzero()[:, 0]
    local = (points[mine] - second.c2w[0, :3, 3]) @ second.c2w[0, :3, :3]
    at = torch.stack((-local[:, 1], local[:, 0]), 1) / -local[:, 2:] / torch.tan(second.fov_y[0] / 2)
    place = (at + 1) / 2 * SIZE
    facing = (points[mine] * (second.c2w[0, :3, 3] - points[mine])).sum(1) > 0.5 * RADIUS  # seen, and not at the rim
    inside = ((place >= 0) & (place < SIZE)).all(1) & facing
    row, column = place[inside].long().unbind(1)
    return mine[inside], row * SIZE + column, (place[inside] - place[inside].floor() - 0.5).abs().max(1).values


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_two_cameras_agree_where_both_see_a_point() -> None:
    """20 degrees apart, on the nearest pixels. Shared area makes the correlation: squares that are shifted by up
    to half a pixel either way share (3/4)^2 on average, and more where their centres nearly meet."""
    first, second = orbiting(0.0), orbiting(0.35)
    here, there, off = common(first, second)
    a, b = (seen(camera, n=8).view(24, -1) for camera in (first, second))
    assert len(here) > 150
    assert correlation(a[:, here], b[:, there]) > 0.43
    near = off < 0.2
    assert correlation(a[:, here[near]], b[:, there[near]]) > 0.55
    assert abs(correlation(a[:, here], a[:, there])) < 0.1, "the same pixels of one image: nothing in common"


def test_whole_pixels_along_a_wall_agree_fully() -> None:
    """A wall across the view; cameras that look straight at it, three pixels to the right of each other."""
    camera = orbiting(0.0, elevation=0.0)
    moved = camera.c2w.clone()
    moved[:, 0, 3] += 3 * PIXEL
    images = []
    for view in (camera, dataclasses.replace(camera, c2w=moved)):
        rays = pixel_rays(view)
        depth = -rays.origin[..., 2:] / rays.direction[..., 2:]
        ones = torch.ones_like(depth)
        images.append(seen(view, Render(Image(ones.expand(1, SIZE, SIZE, 3), ones), depth, rays=rays), n=8))
    assert correlation(images[0][..., 3:], images[1][..., :-3]) > 0.9
    assert abs(correlation(images[0], images[1])) < 0.05


def test_unit_gaussian_and_white() -> None:
    """4000 samples of one view of a ball: every pixel's variance, and the covariance of every two; on the ball,
    at its rim and beside it."""
    camera = orbiting(0.0)
    noise = torch.cat([seen(camera, n=200, seed=s) for s in range(20)])
    for row, column in ((12, 12), (4, 4), (4, 14)):
        patch = noise[:, :2, row : row + 7, column : column + 7].flatten(1)
        assert patch.mean(0).abs().max() < 0.09
        assert (torch.cov(patch.T) - torch.eye(98)).abs().max() < 0.14


def test_it_belongs_to_the_surface_not_to_the_step() -> None:
    camera = orbiting(0.0, 1.0)
    assert torch.equal(seen(camera), seen(camera))
    assert torch.equal(seen(camera)[1], seen(orbiting(1.0))[0])
    assert not torch.equal(seen(camera), seen(camera, seed=1))
    assert torch.equal(seen(camera, n=2)[0], seen(camera)[0]), "the first sample of a view is the same whatever n"


def test_where_nothing_is_seen_it_is_fixed() -> None:
    noise = seen(orbiting(0.0, 1.0))
    assert torch.equal(noise[0, :, 0], noise[1, :, 0])
    assert not torch.equal(noise[0, :, 16], noise[1, :, 16])


def test_points_at_the_edge_are_on_the_surface() -> None:
    """Alpha weighs them: the empty depth of the pixel beside does not drag them towards the camera."""
    points, opaque = surface(sphere_render(orbiting(0.0)), 4 * SIZE, 4 * SIZE)
    assert (points[opaque].norm(dim=-1) - RADIUS).abs().max() < 0.05


def test_a_cube_counts_for_one_pixel() -> None:
    """Cube 7 is seen in both pixels of a row, mostly in the right one; cube 3 in the left alone."""
    keys = torch.tensor([[7, 3, 7, 7], [7, 3, 7, 7]])
    seen_keys, owner = owners(keys, torch.ones(2, 4, dtype=torch.bool), samples=2)
    assert seen_keys.tolist() == [3, 7]
    assert owner.tolist() == [0, 1]
    _, owner = owners(keys, torch.tensor([[True, True, False, False]] * 2), samples=2)
    assert owner.tolist() == [0, 0]


def test_cubes_have_numbers_of_their_own() -> None:
    axis = torch.linspace(-0.995, 0.995, 20)
    points = torch.cartesian_prod(axis, axis, axis)
    assert len(cell_keys(points, 0.01).unique()) == 8000
    assert cell_keys(torch.tensor([0.011, 0.0, 0.0]), 0.01) == cell_keys(torch.tensor([0.019, 0.009, 0.009]), 0.01)


def test_errors_say_what_to_change() -> None:
    with pytest.raises(ValueError, match=r"noise\.cell: got 0"):
        SurfaceNoise(0, cell=0.0)
    with pytest.raises(ValueError, match="without rays"):
        surface(dataclasses.replace(sphere_render(orbiting(0.0)), rays=None), 8, 8)
