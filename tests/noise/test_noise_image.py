import pytest
import torch
from noise_views import orbiting, sphere_render

from dream3d.noise.image import FixedNoise, FreshNoise, samples_of


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_fresh_noise_is_the_generators() -> None:
    camera = orbiting(0.0, 0.5)
    like = torch.zeros(4, 3, 8, 8)
    got = FreshNoise()(like, sphere_render(camera), camera, generator(3))
    assert torch.equal(got, torch.randn(4, 3, 8, 8, generator=generator(3)))


def test_fixed_noise_is_one_image_for_all_views_and_steps() -> None:
    camera, like = orbiting(0.0, 0.5), torch.zeros(6, 3, 32, 32, dtype=torch.float64)
    source = FixedNoise(seed=1)
    first = source(like, sphere_render(camera), camera, generator(0))
    assert torch.equal(first, source(like, sphere_render(camera), orbiting(2.0, 1.0), generator(1)))
    assert torch.equal(first[:3], first[3:]), "both views"
    assert first.dtype == torch.float64
    assert abs(torch.corrcoef(first[:3].flatten(1))[0, 1]) < 0.1, "but the samples of a view differ"
    assert not torch.equal(first, FixedNoise(seed=2)(like, sphere_render(camera), camera, generator(0)))
    assert abs(first.mean()) < 0.05 and abs(first.std() - 1) < 0.05


def test_rows_must_be_views_and_their_samples() -> None:
    assert samples_of(torch.zeros(6, 3), orbiting(0.0, 0.5)) == 3
    with pytest.raises(ValueError, match="5 rows for 2 views"):
        samples_of(torch.zeros(5, 3), orbiting(0.0, 0.5))
