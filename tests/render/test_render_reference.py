import math

import pytest
import torch
from scenes import SIDES, box, sphere

from dream3d.cameras import turntable
from dream3d.render.reference import Reference, texture_at
from dream3d.types import Mesh


def test_every_side_of_a_box_appears_at_its_azimuth():
    camera = turntable(4, 0.0, 3.0, 0.7, 17)
    image = Reference(box()).picture(camera, ambient=1.0)
    seen = [tuple(image.colour[i, 8, 8].round().int().tolist()) for i in range(4)]
    assert seen == [SIDES["+z"], SIDES["+x"], SIDES["-z"], SIDES["-x"]]


def test_up_in_the_world_is_up_in_the_picture():
    mesh = sphere()
    picture = Reference(mesh).picture(turntable(1, 0.0, 3.0, 0.5, 33), ambient=1.0).colour[0]
    assert picture[10, 16, 1] > picture[22, 16, 1] + 0.2  # green grows with y
    assert picture[16, 22, 0] > picture[16, 10, 0] + 0.2  # red grows with x, to the right of the front view


def test_coverage_of_a_sphere_is_its_disc():
    distance, radius, fov = 3.0, 0.5, 0.6
    alpha = Reference(sphere(radius, 5)).picture(turntable(1, 0.2, distance, fov, 64)).alpha
    silhouette = math.tan(math.asin(radius / distance)) / math.tan(fov / 2)
    assert float(alpha.mean()) == pytest.approx(math.pi * silhouette**2 / 4, rel=0.01)


def test_supersampling_is_the_mean_of_the_larger_picture():
    camera = turntable(1, 0.3, 3.0, 0.7, 16)
    reference = Reference(box())
    fine = reference.picture(camera.resized(48, 48), supersample=1)
    coarse = reference.picture(camera, supersample=3)
    mean = fine.colour.view(1, 16, 3, 16, 3, 3).mean(dim=(2, 4))
    assert torch.allclose(coarse.colour, mean, atol=1e-5)


def test_colour_is_premultiplied():
    image = Reference(sphere()).picture(turntable(1, 0.0, 3.0, 0.5, 32))
    assert bool((image.colour <= image.alpha + 1e-5).all())
    assert bool((image.colour[image.alpha[..., 0] == 0] == 0).all())


def test_the_texture_is_read_with_v_upwards():
    texture = torch.zeros(4, 4, 3)
    texture[0] = 1.0  # the top row is white
    assert texture_at(texture, torch.tensor([[0.5, 0.99], [0.5, 0.01]]))[:, 0].tolist() == [1.0, 0.0]


def test_a_textured_mesh_is_seen_by_its_texture():
    quad = torch.tensor([[-0.5, -0.5, 0.0], [0.5, -0.5, 0.0], [0.5, 0.5, 0.0], [-0.5, 0.5, 0.0]])
    uv = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    texture = torch.zeros(8, 8, 3)
    texture[:4, :4] = torch.tensor([1.0, 0.0, 0.0])  # top left is red
    mesh = Mesh(quad, torch.tensor([[0, 1, 2], [0, 2, 3]]), uv=uv, texture=texture)
    picture = Reference(mesh).picture(turntable(1, 0.0, 3.0, 0.5, 32), ambient=1.0).colour[0]
    assert picture[13, 13, 0] > 0.99 and picture[13, 19].max() < 0.01 and picture[19, 13].max() < 0.01


def test_a_colourless_mesh_is_an_error():
    mesh = box()
    with pytest.raises(ValueError, match="neither vertex colours nor a texture"):
        Reference(Mesh(mesh.vertices, mesh.faces))
