from dataclasses import replace

import pytest
import torch
from scenes import sphere

from dream3d.editing.cut import LENGTH
from dream3d.errors import UserError
from dream3d.fields.triplane import Triplane
from dream3d.fields.voxel import Voxel
from dream3d.mesh.delight import shade
from dream3d.run.initial_field import carry, initial_shape
from dream3d.seeding import generator


def ball():
    mesh = sphere(0.5, 3)
    return replace(mesh, colours=torch.tensor([0.8, 0.3, 0.1]).expand(len(mesh.vertices), 3))


def test_a_field_becomes_the_shape():
    torch.manual_seed(0)
    field = Voxel(generator=generator(0, 0, "field"), size=40, lr_scale=20.0)
    error = carry(field, ball(), generator(0, 0, "init"), steps=100)
    x = torch.tensor([[0.0, 0, 0], [0.42, 0, 0], [0.58, 0, 0], [0, 0.7, 0.4]])
    opacity = 1 - torch.exp(-field.density(x) * LENGTH)
    assert opacity[:2].min() > 0.5 and opacity[2:].max() < 0.2 and error < 0.2
    shown = field.surface(torch.tensor([[0.5, 0.0, 0.0], [0.0, -0.5, 0.0]])).colour
    assert torch.allclose(shown, ball().colours[:2], atol=0.1)


def test_what_is_empty_stays_empty():
    """Planes of features share every texel among many points: few points in empty space leave haze there."""
    field = Triplane(generator=generator(0, 0, "field"))
    carry(field, ball(), generator(0, 0, "init"))
    x = 2 * torch.rand(20000, 3, generator=generator(0, 0, "test")) - 1
    opacity = 1 - torch.exp(-field.density(x[x.norm(dim=-1) > 0.56]) * LENGTH)
    assert (opacity > 0.1).float().mean() < 3e-4


class Knowing:
    light = (0.0, 1.0, 0.0, 0.5)

    def shape_of(self, prompt):
        return ball() if prompt == "a ball" else None


def test_the_priors_shape_is_lit_as_its_pictures_are():
    assert initial_shape(None, "a ball", Knowing()) is None
    mesh = initial_shape("prior", "a ball", Knowing())
    lit = ball().colours * shade(mesh.vertices / 0.5, Knowing.light)[:, None]
    assert torch.allclose(mesh.colours, lit, atol=0.02)


def test_no_shape_is_one_line():
    with pytest.raises(UserError, match="has no shape for 'a cloud'; use init=null"):
        initial_shape("prior", "a cloud", Knowing())
    with pytest.raises(UserError, match="init: got prior"):
        initial_shape("prior", "a ball", object())
