"""Switches: results stay what they were, and each one does its work."""

import pytest
import tiny
import torch
from torch import nn

from dream3d.errors import UserError
from dream3d.priors.loading.options import Options
from dream3d.priors.pipeline import load
from dream3d.types import Conditioning, Image

BLACK = torch.zeros(1, 1, 1, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    return str(tiny.saved(tiny.sd(), tmp_path_factory.mktemp("sd")))


def loaded(folder, **options):
    return load(folder, dtype="float32", options=Options(**options))


def eps(prior):
    torch.manual_seed(1)
    x_t, cond = torch.randn(2, 4, 8, 8), prior.embed(["a corgi", "a dog"])
    return prior.eps(x_t, torch.tensor([100, 800]), Conditioning(cond, cond)).cond


def encoded(prior):
    """(x, the gradient of its square sum) of two random images."""
    torch.manual_seed(2)
    colour = torch.rand(2, 16, 16, 3, requires_grad=True)
    x = prior.encode(Image(colour, torch.ones(2, 16, 16, 1)), BLACK)
    return x.detach(), torch.autograd.grad(x.square().sum(), colour)[0]


def test_attention_slicing(folder):
    sliced = loaded(folder, attention_slicing=True)
    kinds = {type(p).__name__ for p in sliced.unet.attn_processors.values()}
    assert kinds == {"SlicedAttnProcessor"}
    assert (eps(sliced) - eps(loaded(folder))).abs().max() <= 1e-5


@pytest.mark.parametrize("option", ["vae_slicing", "vae_checkpointing"])
def test_the_vae_gives_the_same_with_its_gradient(folder, option):
    (x, gradient), (x_0, gradient_0) = encoded(loaded(folder, **{option: True})), encoded(loaded(folder))
    assert (x - x_0).abs().max() <= 1e-5
    assert (gradient - gradient_0).abs().max() <= 1e-5 * gradient_0.abs().max().clamp(min=1)


def test_vae_slicing_takes_one_image_at_a_time(folder):
    for slicing, expected in ((True, [1, 1]), (False, [2])):
        prior, sizes = loaded(folder, vae_slicing=slicing), []
        prior.space.vae.encoder.register_forward_hook(lambda _, args, out, sizes=sizes: sizes.append(len(out)))
        encoded(prior)
        assert sizes == expected


def test_vae_tiling_takes_large_images_in_tiles(folder):
    prior, sizes = loaded(folder, vae_tiling=True), []
    prior.space.vae.tile_sample_min_size, prior.space.vae.tile_latent_min_size = 8, 4
    prior.space.vae.encoder.register_forward_hook(lambda _, args, out: sizes.append(args[0].shape[-1]))
    encoded(prior)
    assert len(sizes) > 1 and max(sizes) == 8


def test_channels_last_is_the_order_of_convolutions(folder):
    for on in (True, False):
        prior = loaded(folder, channels_last=on)
        weight = prior.unet.conv_in.weight
        assert weight.is_contiguous(memory_format=torch.channels_last) == on
    assert (eps(loaded(folder, channels_last=False)) - eps(loaded(folder))).abs().max() <= 1e-5


def test_compile_is_torch_compile_of_the_network_alone(folder, monkeypatch):
    compiled = []  # really compiling needs a C++ compiler, and minutes
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    loaded(folder, compile=True)
    loaded(folder)
    assert compiled == ["UNet2DConditionModel"]


@pytest.mark.parametrize("option", ["attention_slicing", "vae_slicing", "vae_tiling", "vae_checkpointing"])
def test_what_a_prior_does_not_have_is_said(option, tmp_path):
    torch.manual_seed(0)
    mini = tiny.saved(tiny.mini(), tmp_path)
    with pytest.raises(UserError, match=rf"prior.options.{option}: got true, but this prior"):
        loaded(str(mini), **{option: True})
