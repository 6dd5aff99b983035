"""The reference view in the loop: its camera, its steps, its sizes, and that a field comes to look like the picture."""

import math
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from pictures import rgba, saved
from renders import render
from short_runs import shrunk

from dream3d.cli.overrides import composed
from dream3d.optimize import optimize
from dream3d.reference.load import load_source, view_of
from dream3d.reference.view import Reference
from dream3d.run.build import build
from dream3d.schedule import Piecewise
from dream3d.seeding import generator


def test_the_camera_is_where_the_settings_say():
    camera = Reference(azimuth=90.0, elevation=30.0, fov_y=50.0, distance=2.0).camera(8)
    wanted = torch.tensor([2 * math.cos(math.pi / 6), 1.0, 0.0])
    assert torch.allclose(camera.c2w[0, :3, 3], wanted, atol=1e-6)
    framed = Reference(fov_y=60.0).camera(8)
    half = math.atan(0.9 * math.tan(math.radians(30)))
    assert float(framed.distance) == pytest.approx(1 / math.sin(half), rel=1e-5), (
        "the unit ball fills 0.9 of the height"
    )


def test_steps_and_sizes(tmp_path):
    reference = Reference(file=saved(rgba(), tmp_path, "a.png"), every=4, size=Piecewise([16.0, 32.0], [8]))
    view = view_of(reference, load_source(reference))
    assert [view.camera(step, 64) is None for step in range(5)] == [False, True, True, True, False]
    cameras = [view.camera(step, 64) for step in (0, 8)]
    assert [c.height for c in cameras if c] == [16, 32]
    assert view.at(16, torch.device("cpu")) is view.at(16, torch.device("cpu"))


def test_losses_have_their_weights(tmp_path):
    reference = instantiate(composed(["prompt=x", f"image={saved(rgba(), tmp_path, 'a.png')}"]).image)
    view = view_of(reference, load_source(reference))
    found = view.losses(render(16), 0, generator(0, 0, "image"))
    assert set(found) == {"rgb", "mask"}, "there is nothing to compare depth and normals with"
    target = view.at(16, torch.device("cpu"))
    wanted = 5000 * (render(16).image.colour - target.image.colour).square().mean()
    assert torch.allclose(found["rgb"], wanted)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    picture = saved(rgba((220, 40, 40)), tmp_path, "a.png")
    return ["experiment=reconstruct", "prior.path=box.ply", "prompt=a disc", f"image={picture}", "image.elevation=0"]


def test_a_field_comes_to_look_like_the_picture(words, tmp_path):
    """By the reference losses alone (distillation weighs nothing beside them) and only from there."""
    from small_run import box_file

    words = [w.replace("box.ply", str(box_file(tmp_path))) for w in words]
    config = shrunk(composed([*words, "image.losses.rgb.weight=1e7", "image.losses.mask.weight=1e7", "size=32"]))
    config.size, config.batch_size, config.render.samples, config.field.resolutions = 32, 1, 24, [16]
    setup = build(config)
    steps = list(optimize(setup, 0, 60))
    assert {"image_rgb", "image_mask", "image_grad_norm", "distill_grad_norm"} <= steps[0].losses.keys()
    assert steps[0].losses["image_grad_norm"] > 100 * steps[0].losses["distill_grad_norm"]
    view = setup.references["image"]
    camera = view.camera(0, 32)
    image = setup.renderers[0](setup.fields[0], camera).image
    target = view.at(32, torch.device("cpu")).image
    error = (torch.cat((image.colour, image.alpha), -1) - torch.cat((target.colour, target.alpha), -1)).square().mean()
    assert -10 * math.log10(float(error.detach())) > 20
