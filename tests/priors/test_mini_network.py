import pytest
import torch

from dream3d.cameras import flatten, orbit, pixel_rays, turntable
from dream3d.priors.mini.features import camera_features, gaussian_v, patch_rays
from dream3d.priors.mini.network import MiniUNet


def tiny() -> MiniUNet:
    torch.manual_seed(0)
    unet = MiniUNet(
        sample_size=16, channels=(16, 16, 16), down_blocks=(1, 1, 1), up_blocks=(1, 1, 1), heads=(0, 2, 2),
        embedding=32, text_width=8,
    )  # fmt: skip
    for p in unet.parameters():
        torch.nn.init.normal_(p, std=0.1)
    return unet


def inputs(b: int = 3):
    g = torch.Generator().manual_seed(1)
    text = torch.randn(b, 5, 8, generator=g)
    return torch.randn(b, 4, 16, 16, generator=g), torch.tensor([10, 500, 900]), text


def test_it_is_called_and_saved_like_a_diffusers_unet(tmp_path):
    unet, (x, t, text) = tiny(), inputs()
    camera = flatten(turntable(3, 0.2, 3.0, 0.7, 16))
    out = unet(x, t, text, class_labels=camera).sample
    assert out.shape == x.shape
    unet.save_pretrained(tmp_path)
    again = MiniUNet.from_pretrained(tmp_path)(x, t, text, class_labels=camera).sample
    assert torch.allclose(again, out, atol=0.02 * float(out.abs().max()))  # float16 and int8 on disk


@torch.no_grad()
def test_text_time_and_camera_all_matter():
    unet, (x, t, text) = tiny(), inputs()
    camera = flatten(turntable(3, 0.2, 3.0, 0.7, 16))
    base = unet(x, t, text, class_labels=camera).sample
    for changed in (
        unet(x, t, text.roll(1, 0), class_labels=camera).sample,
        unet(x, t + 40, text, class_labels=camera).sample,
        unet(x, t, text, class_labels=camera.roll(1, 0)).sample,
        unet(x, t, text).sample,
    ):
        assert float((changed - base).abs().mean()) > 1e-3


def test_images_of_a_batch_do_not_mix():
    unet, (x, t, text) = tiny(), inputs()
    camera = flatten(turntable(3, 0.2, 3.0, 0.7, 16))
    alone = unet(x[1:2], t[1:2], text[1:2], class_labels=camera[1:2]).sample
    assert torch.allclose(unet(x, t, text, class_labels=camera).sample[1:2], alone, atol=1e-5)


def test_zeros_mean_no_camera():
    unet, (x, t, text) = tiny(), inputs()
    assert torch.equal(unet(x, t, text).sample, unet(x, t, text, class_labels=torch.zeros(3, 17)).sample)
    assert float(camera_features(torch.zeros(2, 17)).abs().sum()) == 0
    assert float(patch_rays(torch.zeros(2, 17), 4).abs().sum()) == 0


def test_patch_rays_are_the_rays_of_the_patch_centres():
    camera = orbit(torch.tensor([0.7]), torch.tensor([0.4]), torch.tensor([3.0]), torch.tensor([0.8]), 4)
    found = patch_rays(flatten(camera), 4)[0, :3].permute(1, 2, 0)
    assert torch.allclose(found, pixel_rays(camera).direction[0], atol=1e-6)


def test_nearest_points_are_perpendicular_to_their_rays():
    rays = patch_rays(flatten(turntable(2, 0.3, 3.0, 0.8, 8)), 8)
    assert float((rays[:, :3] * rays[:, 3:6]).sum(1).abs().max()) < 1e-5


@pytest.mark.parametrize("azimuth", [0.0, 1.0, 3.0])
def test_camera_features_are_periodic_in_azimuth(azimuth):
    def at(a: float) -> torch.Tensor:
        camera = orbit(torch.tensor([a]), torch.tensor([0.3]), torch.tensor([3.0]), torch.tensor([0.7]), 8)
        return camera_features(flatten(camera))

    assert torch.allclose(at(azimuth), at(azimuth + 2 * torch.pi), atol=1e-4)
    assert not torch.allclose(at(azimuth), at(azimuth + torch.pi), atol=0.1)


def test_the_gaussian_part_is_the_exact_v_around_the_painted_view():
    t = torch.tensor([50.0, 500.0, 950.0])
    angle = ((t + 1) / 1000 + 0.008) / 1.008 * torch.pi / 2
    alpha, sigma = angle.cos()[:, None, None, None], angle.sin()[:, None, None, None]
    painted = torch.rand(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    x_t = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    mean, s2 = 2 * painted - 1, 0.3**2
    x0 = mean + alpha * s2 / (alpha**2 * s2 + sigma**2) * (x_t - alpha * mean)  # the Gaussian posterior mean
    eps = (x_t - alpha * x0) / sigma
    assert torch.allclose(gaussian_v(x_t, t, painted, 0.3), alpha * eps - sigma * x0, atol=1e-4)
    assert float(gaussian_v(x_t, t, 0 * painted, 0.3).abs().max()) == 0


@torch.no_grad()
def test_the_painted_view_matters_and_nothing_painted_is_none():
    unet, (x, t, text) = tiny(), inputs()
    camera = flatten(turntable(3, 0.2, 3.0, 0.7, 16))
    base = unet(x, t, text, class_labels=camera).sample
    assert torch.equal(unet(x, t, text, class_labels=camera, painted=torch.zeros_like(x)).sample, base)
    painted = torch.rand(x.shape, generator=torch.Generator().manual_seed(2))
    assert float((unet(x, t, text, class_labels=camera, painted=painted).sample - base).abs().mean()) > 1e-2


@torch.no_grad()
def test_at_high_noise_a_painted_view_has_the_gaussian_answer():
    unet, (x, _, text) = tiny(), inputs()
    camera = flatten(turntable(3, 0.2, 3.0, 0.7, 16))
    painted = torch.rand(x.shape, generator=torch.Generator().manual_seed(2))
    t = torch.tensor([500.0, 700.0, 900.0])
    residual = unet(x, t, text, class_labels=camera, painted=painted).sample - gaussian_v(x, t, painted, 0.1)
    size = residual.flatten(1).abs().mean(1)
    assert size[0] > 1.2 * size[1] > 0 and size[2] == 0
    assert float(unet(x, t, text, class_labels=camera).sample[2].abs().max()) > 0  # nothing painted: all of it
