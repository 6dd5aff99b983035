import math

import torch

from dream3d.cameras import flatten, pixel_rays, turntable
from dream3d.editing.carving import carved, disagreement, scaled
from dream3d.editing.region import lattice
from dream3d.priors.gaussian import Gaussian
from dream3d.types import Conditioning

SIZE = 48


def ball_seen(views: int):
    """Depths of a ball of radius 0.5, and where its points with x > 0 show, from a ring of cameras."""
    camera = turntable(views, 0.2, 3.2, 0.7, SIZE)
    rays = pixel_rays(camera)
    along = (rays.origin * rays.direction).sum(-1)
    under = along**2 - (rays.origin.square().sum(-1) - 0.25)
    depth = torch.where(under > 0, -along - under.clamp(min=0).sqrt(), torch.inf)
    point = rays.origin + rays.direction * depth.clamp(max=10)[..., None]
    maps = ((point[..., 0] > 0) & torch.isfinite(depth)).float()
    return flatten(camera), depth, maps


def test_half_of_a_ball_is_found_from_its_pictures() -> None:
    camera, depth, maps = ball_seen(8)
    points = lattice(33).reshape(-1, 3)
    found = carved(points, maps, depth, camera, 0.5, slack=0.1).bool()
    radius, side = points.norm(dim=-1), points[:, 0]
    seen = (radius - 0.5).abs() < 0.03
    equator = seen & (points[:, 1].abs() < 0.3)
    assert found[equator & (side > 0.12)].float().mean() > 0.9
    assert not found[equator & (side < -0.12)].any()
    assert not found[radius > 0.75].any(), "empty space that some view sees before the background is carved away"
    assert not found[radius < 0.3].any(), "no view sees the inside"


def test_a_gaussian_priors_disagreement_is_closed_form() -> None:
    """|eps - eps_src| = sigma alpha |m - m_src| / (alpha^2 std^2 + sigma^2), whatever the noise."""
    means = {"": torch.zeros(3, 4, 4), "a": torch.rand(3, 4, 4), "b": torch.rand(3, 4, 4)}
    prior = Gaussian(means, std=0.5)
    of = [Conditioning(means[k][None], means[""][None]) for k in ("a", "b")]
    t, x = torch.tensor([500]), torch.rand(1, 3, 4, 4)
    got = disagreement(prior, x, t, torch.randn(2, 1, 3, 4, 4), *of)
    alpha, sigma = math.sqrt(float(prior.alpha_bar[500])), math.sqrt(1 - float(prior.alpha_bar[500]))
    want = sigma * alpha / (0.25 * alpha**2 + sigma**2) * (means["a"] - means["b"]).abs().mean(0)
    torch.testing.assert_close(got[0], want, rtol=1e-4, atol=1e-5)


def test_maps_are_scaled_together() -> None:
    maps = torch.tensor([[[0.0, 1.0]], [[2.0, 4.0]]]).repeat(1, 50, 1)
    assert torch.equal(scaled(maps)[:, 0], torch.tensor([[0.0, 0.25], [0.5, 1.0]]))
    assert torch.equal(scaled(torch.zeros(2, 3, 3)), torch.zeros(2, 3, 3))
