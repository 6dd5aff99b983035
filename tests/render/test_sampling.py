"""Intervals in closed form; marching keeps its steps whatever is skipped."""

import math

import pytest
import torch
from analytic_fields import Analytic

from dream3d.render.occupancy import Occupancy
from dream3d.render.sampling import FlatRays, ball_interval, box_interval, march, reached


def flat(origin: torch.Tensor, direction: torch.Tensor, offset: float = 0.0) -> FlatRays:
    n = len(origin)
    return FlatRays(origin, direction, torch.full((n,), offset).to(origin), torch.zeros(n, dtype=torch.long))


def random_rays(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    origin = 3 * torch.nn.functional.normalize(torch.randn(n, 3, generator=g), dim=-1)
    target = 0.8 * torch.randn(n, 3, generator=g)
    return origin, torch.nn.functional.normalize(target - origin, dim=-1)


def test_ball_interval_outside_inside_miss_behind():
    origin = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 0.5], [0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [0.6, 0.0, 3.0]])
    direction = torch.tensor([[0.0, 0.0, -1.0]] * 5)
    direction[3, 2] = 1
    near, far = ball_interval(origin, direction)
    torch.testing.assert_close(near[[0, 1, 4]], torch.tensor([2.0, 0.0, 2.2]))
    torch.testing.assert_close(far[[0, 1, 4]], torch.tensor([4.0, 1.5, 3.8]))
    assert (far - near)[[2, 3]].tolist() == [0, 0]


def test_ball_interval_keeps_its_digits_far_away():
    origin = torch.tensor([[0.6, 0.0, 1000.0]])
    near, far = ball_interval(origin, torch.tensor([[0.0, 0.0, -1.0]]))
    torch.testing.assert_close(far - near, torch.tensor([1.6]), rtol=1e-4, atol=0)


def test_box_interval():
    box = torch.tensor([[-0.5, -0.5, -0.5], [0.5, 0.5, 0.25]])
    origin = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.7, 3.0], [0.5 - 1e-6, 0.0, 3.0]])
    near, far = box_interval(origin, torch.tensor([[0.0, 0.0, -1.0]] * 3), box)
    torch.testing.assert_close(near[[0, 2]], torch.tensor([2.75, 2.75]))
    torch.testing.assert_close(far[[0, 2]], torch.tensor([3.5, 3.5]))
    assert near[1] >= far[1]


def test_steps_cover_the_chord_exactly_and_in_order():
    origin, direction = random_rays(200)
    near, far = ball_interval(origin, direction)
    for offset in (0.0, 0.37, 0.999):
        samples = march(flat(origin, direction, offset), 2 / 16)
        length = torch.zeros(200).index_add(0, samples.ray, samples.end - samples.start)
        torch.testing.assert_close(length, far - near, rtol=0, atol=1e-5)
        same = samples.ray[1:] == samples.ray[:-1]
        assert (samples.ray.diff() >= 0).all()
        torch.testing.assert_close(samples.start[1:][same], samples.end[:-1][same])
        assert ((samples.end - samples.start) <= 2 / 16 + 1e-5).all()


def test_skipping_leaves_the_other_samples_where_they_were():
    grid = Occupancy(8, threshold=0.01, decay=0.8, probes=8)
    half = Analytic(lambda x: 50.0 * (x[:, 0] > 0.25))
    grid.update(half, 2 / 16, torch.Generator().manual_seed(0))
    assert grid.box[0, 0] == 0.25
    origin, direction = random_rays(300)
    rays = flat(origin, direction, 0.4)
    every, kept = march(rays, 2 / 16), march(rays, 2 / 16, grid)
    columns = ("ray", "start", "end")
    place = {(r, round(s, 4)): e for r, s, e in torch.stack([getattr(every, c) for c in columns], 1).tolist()}
    for r, s, e in torch.stack([getattr(kept, c) for c in columns], 1).tolist():
        assert abs(place[r, round(s, 4)] - e) < 1e-4
    point = origin[every.ray] + direction[every.ray] * ((every.start + every.end) / 2)[:, None]
    inside = (point[:, 0] > 0.25) & (point.norm(dim=-1) < 0.8)
    assert inside.sum() <= len(kept.ray) <= (point[:, 0] > 0.25).sum() < len(every.ray) / 3
    assert int(inside.sum()) > 100


def test_reached_cuts_where_the_optical_depth_is_used_up():
    tau = torch.tensor([[0.0, 5.0, 5.0], [0.0, 0.0, 0.0], [4.0, 4.0, 0.0]])
    samples = torch.tensor([0, 1, 2, 6, 7])  # where there are any
    for transmittance, want in ((math.exp(-4.5), [0, 1, 6, 7]), (math.exp(-3.5), [0, 1, 6])):
        seen = reached(tau, transmittance).flatten()
        assert samples[seen[samples]].tolist() == want


@pytest.mark.parametrize("shape", ["ball", "nothing", "no grid"])
def test_leaving_rays_out_early_changes_nothing(shape: str, monkeypatch: pytest.MonkeyPatch):
    """On a GPU all rays keep a place for every step, so that nothing waits for their number."""
    grid = None
    if shape != "no grid":
        grid = Occupancy(8, threshold=0.01, decay=0.8, probes=8)
        solid = Analytic(lambda x: 50.0 * (x.norm(dim=-1) < (0.5 if shape == "ball" else 0)))
        grid.update(solid, 2 / 16, torch.Generator().manual_seed(0))
    rays = flat(*random_rays(300), 0.4)
    few = march(rays, 2 / 16, grid, 1e-3)
    monkeypatch.setattr("dream3d.render.sampling.compacts", lambda _: False)
    every = march(rays, 2 / 16, grid, 1e-3)
    assert all(torch.equal(getattr(few, k), getattr(every, k)) for k in ("ray", "start", "end"))
    assert len(few.ray) > 100 or shape == "nothing"


def test_no_rays_hit():
    samples = march(flat(torch.tensor([[0.0, 5.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])), 0.1)
    assert len(samples.ray) == 0 and samples.n_rays == 1
