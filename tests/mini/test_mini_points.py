import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import ball
from models import Model
from points import FAR, THIN, Points, distances, points_of, solid


@pytest.fixture(scope="module")
def found() -> Points:
    return points_of(ball(), count=4000, fine=64)


def test_distances_are_those_of_a_sphere(found):
    truth = np.linalg.norm(found.x, axis=1) - 0.5
    error = np.abs(found.distance - np.clip(truth, -FAR, FAR))
    assert error.max() < 2 / 64 and error.mean() < 0.3 * 2 / 64  # voxels are 2/64 wide
    sure = np.abs(truth) > 2 / 64
    assert ((found.distance < 0) == (truth < 0))[sure].all()


def test_albedo_is_that_of_the_nearest_surface(found):
    near = np.abs(np.linalg.norm(found.x, axis=1) - 0.5) < 0.1
    direction = found.x[near] / np.linalg.norm(found.x[near], axis=1, keepdims=True)
    assert np.abs(found.shown[near, :3] - (0.5 + 0.4 * direction)).max() < 0.05


def test_paint_is_half_the_luma_over_the_median():
    vertices = ball().vertices
    colours = np.where(vertices[:, 1:2] > 0, 0.8, 0.4) * np.ones((1, 3))
    tint = (vertices[:, 0] > 0).astype(np.uint8)
    model = Model("halves", vertices, colours.astype(np.float32), tint, ball().faces)
    median = np.median(np.where(vertices[tint > 0, 1] > 0, 0.8, 0.4))
    points = points_of(model, count=2000, fine=48)
    x, paint = points.x, points.shown[:, 3]
    surface, clear = np.abs(np.linalg.norm(x, axis=1) - 0.5) < 0.1, (np.abs(x[:, :2]) > 0.15).all(1)
    kept, bright, dark = x[:, 0] < 0, (x[:, 0] > 0) & (x[:, 1] > 0), (x[:, 0] > 0) & (x[:, 1] < 0)
    for where, value in ((kept, 0.0), (bright, 0.4 / median), (dark, 0.2 / median)):
        assert paint[where & surface & clear] == pytest.approx(value, abs=1e-5)


def test_inside_is_what_no_axis_parallel_ray_reaches():
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(60_000, 3))
    shell = 0.6 * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    full = solid(shell, 32)
    assert full[16, 16, 16] and not full[0, 0, 0]
    voxel, volume = 2 / 32, lambda radius: 4 / 3 * np.pi * radius**3
    assert volume(0.6) < full.sum() * voxel**3 < volume(0.6 + voxel)
    open_above = solid(shell[shell[:, 1] < 0.3], 32)
    assert not open_above[16, 16, 16]


def test_a_sheet_gets_a_skin():
    sheet = np.zeros((16, 16, 16), bool)
    sheet[8] = True
    signed = distances(sheet)
    assert signed[8].max() < 0 < signed[6].min()
    assert signed[7, 8, 8] == pytest.approx(1 - 0.5 - THIN / 2)


def test_points_survive_a_file(found, tmp_path):
    found.save(tmp_path / "p.npz")
    again = Points.load(tmp_path / "p.npz")
    assert np.abs(again.x - found.x).max() < 1e-4
    assert np.abs(again.distance - found.distance).max() <= FAR / 127
    assert np.abs(again.shown - found.shown).max() <= 1 / 255
