"""An AutoencoderTiny in place of a prior's VAE."""

import pytest
import tiny
import torch
from diffusers import AutoencoderTiny

from dream3d.errors import UserError
from dream3d.priors.pipeline import load
from dream3d.types import Image


def taesd(folder, channels=4, halvings=2):
    """A small random one; its first convolution is at full size, so it halves once less than it has blocks."""
    torch.manual_seed(1)
    made = AutoencoderTiny(
        encoder_block_out_channels=(8,) * halvings, decoder_block_out_channels=(8,) * halvings,
        num_encoder_blocks=(1,) * halvings, num_decoder_blocks=(1,) * halvings, latent_channels=channels,
    )  # fmt: skip
    made.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def folder(tmp_path):
    return str(tiny.saved(tiny.sd(), tmp_path / "sd"))


def render(size=16):
    pixels = torch.rand(2, size, size, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return pixels, Image(pixels, torch.ones(2, size, size, 1))


def test_latents_and_gradient_are_the_tiny_autoencoders(folder, tmp_path):
    prior = load(folder, vae=taesd(tmp_path / "taesd"))
    alone = AutoencoderTiny.from_pretrained(tmp_path / "taesd")
    pixels, image = render()
    x = prior.encode(image, torch.ones(1, 1, 1, 3))
    wanted = alone.encode(2 * pixels.permute(0, 3, 1, 2) - 1).latents
    torch.testing.assert_close(x, wanted)
    weight = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    gradient = torch.autograd.grad((x * weight).sum(), pixels)[0]
    torch.testing.assert_close(gradient, torch.autograd.grad((wanted * weight).sum(), pixels)[0])
    assert gradient.abs().max() > 0
    torch.testing.assert_close(prior.decode(x), (alone.decode(x).sample / 2 + 0.5).permute(0, 2, 3, 1))


def test_it_has_no_posterior_to_sample_from(folder, tmp_path):
    place = taesd(tmp_path / "taesd")
    _, image = render()
    mean, sample = (
        load(folder, vae=place, posterior=p).encode(image, torch.ones(1, 1, 1, 3)) for p in ("mean", "sample")
    )
    assert torch.equal(mean, sample)


def test_its_convolutions_are_channels_last(folder, tmp_path):
    prior = load(folder, vae=taesd(tmp_path / "taesd"))
    kernels = [m.weight for m in prior.space.vae.modules() if isinstance(m, torch.nn.Conv2d) and m.weight.shape[1] > 1]
    assert kernels and all(k.is_contiguous(memory_format=torch.channels_last) for k in kernels if k.shape[-1] > 1)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"channels": 16}, "got 16 latent channels, expected 4"),
        ({"halvings": 3}, "got 3 halvings of the image, expected 2"),
    ],
)
def test_one_of_another_base_model_is_refused(folder, tmp_path, made, words):
    with pytest.raises(UserError, match=words):
        load(folder, vae=taesd(tmp_path / "taesd", **made))


def test_what_is_no_autoencoder_is_refused(folder, tmp_path):
    with pytest.raises(UserError, match="expected the folder of an AutoencoderTiny"):
        load(folder, vae=str(tmp_path / "none"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be loaded"):
        load(folder, vae=str(tmp_path / "bad"))
    pixels = tiny.saved(tiny.mini(), tmp_path / "mini")
    with pytest.raises(UserError, match="works on pixels and has no VAE"):
        load(str(pixels), vae=taesd(tmp_path / "taesd"))
