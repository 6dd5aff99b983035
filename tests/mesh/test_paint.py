"""Painting a mesh's colours into a field."""

from dataclasses import replace

import pytest
import torch
from scenes import box, sphere

from dream3d.errors import UserError
from dream3d.fields.triplane import Triplane
from dream3d.fields.voxel import Voxel
from dream3d.mesh.paint import coloured_points, paint


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_points_are_uniform_and_have_the_colour_of_their_side():
    x, colour, normal = coloured_points(box(1.0), 20000, draw())
    axis, low = x.abs().argmax(1), x.abs().amax(1)
    torch.testing.assert_close(low, torch.full_like(low, 0.5))
    torch.testing.assert_close(normal.gather(1, axis[:, None])[:, 0], x.gather(1, axis[:, None])[:, 0].sign())
    right = colour[(axis == 0) & (x[:, 0] > 0)]
    torch.testing.assert_close(right, torch.tensor([1.0, 0.0, 0.0]).expand_as(right))
    share = torch.bincount(axis * 2 + (x.gather(1, axis[:, None])[:, 0] > 0)) / len(x)
    assert (share - 1 / 6).abs().max() < 0.01
    assert x[axis == 0][:, 1:].mean(0).abs().max() < 0.02  # nor do points gather in a corner


def test_a_texture_counts_before_vertex_colours():
    mesh = sphere()
    uv = torch.stack((mesh.vertices[:, 0] + 0.5, mesh.vertices[:, 1] + 0.5), dim=1)
    ramp = torch.zeros(8, 64, 3)
    ramp[..., 0] = (torch.arange(64) + 0.5) / 64
    x, colour, _ = coloured_points(replace(mesh, uv=uv, texture=ramp), 500, draw())
    torch.testing.assert_close(colour[:, 0], (x[:, 0] + 0.5).clamp(1 / 128, 1 - 1 / 128), atol=1e-3, rtol=0)


def test_a_field_learns_the_colours():
    field = Triplane(generator=draw(), resolutions=(16, 48))
    error = paint(field, sphere(), draw(1), steps=60, batch=2048)
    x, wanted, _ = coloured_points(sphere(), 500, draw(2))
    with torch.no_grad():
        found = (field.surface(x).colour - wanted).square().mean().sqrt()
    assert found < 0.03 and error == pytest.approx(float(found), rel=0.5)


def test_latents_are_an_error():
    with pytest.raises(UserError, match="4 colour channels"):
        paint(Voxel(generator=draw(), size=4, colour_channels=4), sphere(), draw())


def test_no_colours_are_an_error():
    with pytest.raises(ValueError, match="neither vertex colours nor a texture"):
        coloured_points(replace(sphere(), colours=None), 5, draw())
