"""The map from latents to RGB, on VAEs whose inverse is known."""

from types import SimpleNamespace

import pytest
import tiny
import torch
from torch import nn

from dream3d.priors.latent_rgb import affine_rgb
from dream3d.priors.pipeline import load
from dream3d.priors.spaces import Latent
from dream3d.types import Image


class Mixing(nn.Module):
    """Latents that mix the colours of 2 x 2 pixels, and one that is always 0."""

    dtype = torch.float32

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.tensor([[2.0, 1, 0], [0, 1, -1], [1, 0, 3], [0, 0, 0]]))
        self.config = SimpleNamespace(
            latent_channels=4, block_out_channels=(1, 1), scaling_factor=0.3, shift_factor=0.1
        )

    def encode(self, pixels):
        mean = torch.einsum("dc,bchw->bdhw", self.mix, nn.functional.avg_pool2d(pixels, 2)) + 0.5
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, std=torch.zeros_like(mean)))


def test_an_affine_vae_is_inverted():
    space = Latent(Mixing(), 16, "mean")
    matrix = affine_rgb(space)
    picture = torch.rand(1, 16, 16, 3)
    z = space.encode(Image(picture, torch.ones(1, 16, 16, 1)), torch.zeros(1, 1, 1, 3), None)
    rgb = z.permute(0, 2, 3, 1) @ matrix[:-1] + matrix[-1]
    wanted = nn.functional.avg_pool2d(picture.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    assert (rgb - wanted).abs().max() < 0.01
    assert not matrix[3].abs().max() > 1e-6  # the latent that says nothing


@pytest.mark.parametrize("maker", [tiny.sd, lambda: tiny.sd3(False)])
def test_a_real_vae_has_one_row_a_channel_and_the_same_map_at_every_call(maker, tmp_path):
    torch.manual_seed(0)
    prior = load(str(tiny.saved(maker(), tmp_path)), dtype="float32")
    matrix = prior.affine_rgb()
    assert matrix.shape == (prior.channels + 1, 3) and matrix.abs().max() > 0.1
    assert torch.equal(matrix, prior.affine_rgb())


def test_priors_of_pixels_have_none(tmp_path):
    torch.manual_seed(0)
    assert load(str(tiny.saved(tiny.mini(), tmp_path))).affine_rgb() is None
