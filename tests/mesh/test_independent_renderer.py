"""What other programs will see: the exported GLB by a renderer of the tests' own against our pictures."""

import math

import numpy as np
import pytest
import torch
from shapes import ring, solid
from torch import nn
from zbuffer import draw, psnr, view_projection

from dream3d.cameras import orbit
from dream3d.fields.mesh_field import dmtet
from dream3d.mesh.build import Build
from dream3d.render.reference import Reference
from dream3d.render.surface import MeshRenderer
from dream3d.types import Surface

AZIMUTH, ELEVATION, DISTANCE, FOV_Y, SIZE = 0.7, 0.4, 2.6, 0.75, 256


class Stripes(nn.Module):
    """A colour with detail, so that a texture out of place would be seen."""

    def density(self, x):
        return x.new_ones(len(x))

    def surface(self, x):
        return Surface(self.density(x), 0.5 + 0.4 * torch.sin(9 * x + torch.tensor([0.0, 1.0, 2.0])))

    def parameter_groups(self):
        return []


@pytest.fixture(scope="module")
def field():
    return dmtet(appearance=Stripes(), distance=ring, resolution=24, levels=[6])


@pytest.fixture(scope="module")
def made(field, tmp_path_factory):
    folder = tmp_path_factory.mktemp("glb")
    return Build(size=256, faces=3000, formats=["glb"])(field, folder), folder / "mesh.glb"


@pytest.fixture(scope="module")
def theirs(made):
    return draw(made[1], view_projection(AZIMUTH, ELEVATION, DISTANCE, FOV_Y), SIZE)


@pytest.fixture(scope="module")
def camera():
    return orbit(*(torch.tensor([v]) for v in (AZIMUTH, ELEVATION, DISTANCE, FOV_Y)), SIZE)


def white(image):
    return image.over(torch.ones(1, 1, 1, 3))[0].detach().double().numpy()


def test_the_picture_that_was_optimised_is_what_the_file_shows(field, theirs, camera):
    ours = white(MeshRenderer(supersample=2)(field, camera).image)
    assert psnr(ours, theirs) > 30
    assert psnr(ours[:, ::-1], theirs) < 20  # and a mirrored one is told apart


def test_the_picture_of_the_exported_mesh_is_what_the_file_shows(made, theirs, camera):
    ours = white(Reference(made[0]).picture(camera, supersample=2, ambient=1.0))
    assert psnr(ours, theirs) > 30


def test_a_coarse_field_too(camera, tmp_path):
    made = Build(resolution=32, size=256, faces=2000, formats=["glb"])(solid(ring), tmp_path)
    ours = white(Reference(made).picture(camera, supersample=2, ambient=1.0))
    other = draw(tmp_path / "mesh.glb", view_projection(AZIMUTH, ELEVATION, DISTANCE, FOV_Y), SIZE)
    assert psnr(ours, other) > 30


def test_the_renderer_of_this_test_covers_a_ball_as_it_should(tmp_path):
    """A ball of radius r at distance d covers a disc whose half angle has the sine r / d."""
    Build(resolution=48, size=64, faces=4000, formats=["glb"])(solid(lambda x: x.norm(dim=1) - 0.6), tmp_path)
    picture = draw(tmp_path / "mesh.glb", view_projection(0.0, 0.0, 3.0, FOV_Y), 128)
    covered = np.mean(np.abs(picture - 1).sum(-1) > 0.02)
    radius = math.tan(math.asin(0.6 / 3.0)) / math.tan(FOV_Y / 2) / 2
    assert covered == pytest.approx(math.pi * radius**2, rel=0.04)
