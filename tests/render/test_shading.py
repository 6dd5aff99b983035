"""Lambert's law in closed form; the schedule's shares by counting."""

import math
from collections import Counter

import pytest
import torch

from dream3d.cameras import turntable
from dream3d.render.shading import (
    Albedo,
    DreamFusion,
    Lambertian,
    NormalPicture,
    Textureless,
    point_light,
)
from dream3d.seeding import generator

CAMERA = turntable(2, 0.3, 3.0, math.radians(40), 4)


def one(x: list[float]) -> torch.Tensor:
    return torch.tensor([x])


@pytest.mark.parametrize("degrees", [0.0, 30.0, 60.0, 89.0, 120.0, 180.0])
def test_lambert(degrees: float):
    a = math.radians(degrees)
    light = torch.tensor([[9.0, 9.0, 9.0], [0.0, 2.0, 0.5]])
    point, albedo = one([0.0, 0.0, 0.5]), one([0.2, 0.4, 0.8])
    normal = one([math.sin(a), math.cos(a), 0.0])
    view = torch.tensor([1])
    shade = 0.1 + 0.9 * max(0.0, math.cos(a))
    torch.testing.assert_close(Lambertian(light)(albedo, normal, point, view), albedo * shade)
    torch.testing.assert_close(
        Textureless(light)(albedo, normal, point, view), torch.full((1, 3), shade), rtol=1e-5, atol=1e-6
    )


def test_gradient_turns_the_normal_towards_the_light_and_textureless_leaves_the_albedo_alone():
    light, point, view = one([0.0, 2.0, 0.0]), one([0.0, 0.0, 0.0]), torch.tensor([0])
    normal = one([0.8, 0.6, 0.0]).requires_grad_()
    albedo = one([0.2, 0.4, 0.8]).requires_grad_()
    Lambertian(light)(albedo, normal, point, view).sum().backward()
    assert normal.grad[0, 1] > 0 and (albedo.grad > 0).all()
    (untouched,) = torch.autograd.grad(
        Textureless(light)(albedo, normal, point, view).sum(), albedo, materialize_grads=True
    )
    assert (untouched == 0).all()


def test_light_is_near_the_camera_at_the_right_distance():
    lights = torch.stack([point_light(CAMERA, generator(0, i, "light")) for i in range(400)])
    distance = lights.norm(dim=-1)
    assert distance.min() >= 0.8 and distance.max() <= 1.5 and abs(distance.mean() - 1.15) < 0.03
    towards = torch.nn.functional.normalize(CAMERA.c2w[:, :3, 3], dim=-1)
    cosine = (torch.nn.functional.normalize(lights, dim=-1) * towards).sum(-1)
    assert cosine.mean() > 0.8 and cosine.min() < 0.7
    still = point_light(CAMERA, generator(0, 0, "light"), (2.0, 2.0), 0.0)
    torch.testing.assert_close(still, 2 * towards)


def test_albedo_asks_for_nothing():
    assert Albedo()(9999, CAMERA, generator(0, 0, "s")) == ("none", None)


def test_schedule_of_dreamfusion():
    schedule = DreamFusion(start=100)
    assert all(schedule(i, CAMERA, generator(0, i, "s"))[1] is None for i in range(100))
    kinds = Counter(type(schedule(i, CAMERA, generator(0, i, "s"))[1]) for i in range(100, 1100))
    assert abs(kinds[type(None)] / 1000 - 0.25) < 0.05
    assert abs(kinds[Textureless] / 1000 - 0.375) < 0.05
    assert abs(kinds[Lambertian] / 1000 - 0.375) < 0.05
    a, b = (schedule(500, CAMERA, generator(0, 500, "s"))[1] for _ in range(2))
    assert type(a) is type(b) and (a is None or torch.equal(a.light, b.light))


def test_soft_ambient_light_keeps_the_sum():
    schedule = DreamFusion(start=0, shaded=1.0, soft=1.0)
    made = [schedule(i, CAMERA, generator(0, i, "s"))[1] for i in range(300)]
    ambient = torch.tensor([m.ambient for m in made])
    assert ambient.min() >= 0.1 and ambient.max() <= 1 and abs(ambient.mean() - 0.55) < 0.05
    assert all(abs(m.ambient + m.diffuse - 1) < 1e-6 for m in made)


def test_shading_without_normals_is_refused():
    with pytest.raises(ValueError, match="albedo"):
        DreamFusion(normals="none")


def test_a_picture_of_normals_shows_them_whatever_the_colour():
    normals, shading = NormalPicture()(0, CAMERA, generator(0, 0, "s"))
    assert normals == "analytic"
    n = torch.tensor([[0.0, 1.0, 0.0], [0.6, 0.0, -0.8]])
    got = shading(torch.rand(2, 3), n, torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
    torch.testing.assert_close(got, torch.tensor([[0.5, 1.0, 0.5], [0.8, 0.5, 0.1]]))
    with pytest.raises(ValueError, match=r"shading\.normals: got none"):
        NormalPicture(normals="none")
