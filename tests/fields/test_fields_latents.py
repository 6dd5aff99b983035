"""Fields of latents: as they are, in RGB by their map, and which of the two across a checkpoint."""

import copy
from functools import partial

import pytest
import torch

from dream3d.fields.decoder import Decoder
from dream3d.fields.latents import colours, in_rgb, latents_of, switch
from dream3d.fields.triplane import Triplane
from dream3d.fields.voxel import Voxel

X = 0.5 * torch.rand(20, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["voxel", "triplane"])
def field(request):
    draw = torch.Generator().manual_seed(0)
    if request.param == "voxel":
        made = Voxel(generator=draw, size=4, colour_channels=5)
    else:
        made = Triplane(generator=draw, resolutions=[4], decoder=partial(Decoder, colour_channels=5))
    torch.nn.init.normal_(latents_of(made)[0].to_rgb, generator=draw)
    return made


def test_rgb_is_the_map_of_the_latents(field):
    (latents,) = latents_of(field)
    raw = field.surface(X).colour
    assert raw.shape == (20, 5)
    with in_rgb(field):
        rgb = field.surface(X).colour
    assert torch.allclose(rgb, raw @ latents.to_rgb[:5] + latents.to_rgb[5], atol=1e-6)
    assert torch.equal(field.surface(X).colour, raw)


def test_it_is_switched_back_after_an_error_and_stays_where_it_was(field):
    with pytest.raises(KeyError), in_rgb(field):
        raise KeyError
    assert not latents_of(field)[0].rgb
    switch(field, True)
    with in_rgb(field):
        pass
    assert latents_of(field)[0].rgb and field.surface(X).colour.shape == (20, 3)


def test_checkpoints_remember_it(field, tmp_path):
    other = copy.deepcopy(field)
    switch(field, True)
    torch.save(field.state_dict(), tmp_path / "field.pt")
    other.load_state_dict(torch.load(tmp_path / "field.pt", weights_only=True))
    assert torch.equal(other.surface(X).colour, field.surface(X).colour)


def test_the_map_is_trained_in_rgb_alone(field):
    field.surface(X).colour.square().sum().backward()
    assert latents_of(field)[0].to_rgb.grad is None
    switch(field, True)
    field.surface(X).colour.square().sum().backward()
    assert latents_of(field)[0].to_rgb.grad.abs().sum() > 0
    trained = {id(p) for group in field.parameter_groups() for p in group["params"]}
    assert id(latents_of(field)[0].to_rgb) in trained


def test_three_channels_have_nothing_to_switch():
    field = Voxel(generator=torch.Generator().manual_seed(0), size=4)
    assert latents_of(field) == [] and not colours(3).state_dict()
