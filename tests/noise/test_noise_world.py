import math

import pytest
import torch
from noise_views import orbiting, sphere_render

from dream3d.noise.world import WorldNoise

SIZE = 32


def seen(*azimuth: float, n: int = 1, seed: int = 0, elevation: float = 0.3, turns: float = 2.0) -> torch.Tensor:
    camera = orbiting(*azimuth, elevation=elevation)
    like = torch.zeros(n * len(azimuth), 3, SIZE, SIZE)
    return WorldNoise(seed, turns)(like, sphere_render(camera), camera, torch.Generator().manual_seed(99))


def test_the_same_view_has_the_same_noise_and_others_have_not() -> None:
    assert torch.equal(seen(0.4), seen(0.4))
    assert not torch.equal(seen(0.4), seen(0.4, seed=1))
    assert abs(torch.corrcoef(torch.cat([seen(0.0), seen(math.pi)]).flatten(1))[0, 1]) < 0.1


def test_noise_moves_with_the_front_of_the_object() -> None:
    """A camera further round to the right sees the front further left; one higher up sees it lower down."""
    pixel = 2 * math.pi / (2 * SIZE)
    here, right, above = seen(0.0), seen(5 * pixel), seen(0.0, elevation=0.3 + 3 * pixel)
    assert torch.equal(right[..., :-5], here[..., 5:])
    assert torch.equal(above[..., 3:, :], here[..., :-3, :])


def test_a_whole_turn_leads_back() -> None:
    assert torch.equal(seen(0.4), seen(0.4 + 2 * math.pi))
    assert torch.equal(seen(0.4 - math.pi), seen(0.4 + math.pi))


def test_rows_are_views_each_with_its_samples() -> None:
    both = seen(0.0, 1.0, n=2)
    assert torch.equal(both[:2], seen(0.0, n=2)) and torch.equal(both[2:], seen(1.0, n=2))
    assert torch.equal(both[0], seen(0.0)[0]) and not torch.equal(both[0], both[1])


def test_unit_gaussian_and_white() -> None:
    """4000 samples of one view: every pixel's variance, and the correlation of every two."""
    noise = torch.cat([seen(0.0, n=100, seed=s, turns=1.0)[:, :, 10:18, 10:18] for s in range(40)]).flatten(1)[:, :100]
    correlation = torch.cov(noise.T)
    assert noise.mean(0).abs().max() < 0.08
    assert (correlation - torch.eye(100)).abs().max() < 0.13  # 5.8 standard errors of a variance


@pytest.mark.parametrize("elevation", [-math.pi / 2, math.pi / 2])
def test_poles_are_on_the_map(elevation: float) -> None:
    assert seen(0.0, elevation=elevation).shape == (1, 3, SIZE, SIZE)


def test_an_image_must_not_see_a_texel_twice() -> None:
    with pytest.raises(ValueError, match=r"noise\.turns: got 0\.5"):
        WorldNoise(0, turns=0.5)
