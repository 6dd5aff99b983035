import pytest
import torch

from dream3d.fields.activation import exp
from dream3d.fields.decoder import Decoder, density_of, linear
from dream3d.fields.initial import level
from dream3d.fields.latents import colours
from dream3d.seeding import generator


def test_density_is_zero_outside_the_ball():
    x = torch.tensor([[0.0, 0.0, 0.99], [0.0, 0.0, 1.01], [0.9, 0.9, 0.0]])
    assert density_of(torch.zeros(3), x, level, exp).tolist() == [1, 0, 0]


def test_three_channels_are_squashed_and_latents_are_not():
    assert torch.allclose(colours(3)(torch.zeros(2, 3)), torch.full((2, 3), 0.5))
    assert colours(4)(torch.full((2, 4), 9.0)).max() == 9


def test_density_alone_equals_that_of_the_surface():
    decoder = Decoder(5, generator(0, 0, "decoder"), layers=2)
    x, features = torch.rand(7, 3) * 0.5, torch.rand(7, 5)
    assert torch.allclose(decoder.density(x, features), decoder.surface(x, features).density)


def test_weights_have_the_variance_of_torch_and_ignore_the_global_state():
    torch.manual_seed(1)
    a = linear(100, 200, generator(0, 0, "linear"))
    torch.manual_seed(2)
    b = linear(100, 200, generator(0, 0, "linear"))
    assert torch.equal(a.weight, b.weight) and torch.equal(a.bias, b.bias)
    assert a.weight.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.02)


def test_no_layers_is_an_error():
    with pytest.raises(ValueError, match="layers"):
        Decoder(5, generator(0, 0, "decoder"), layers=0)
