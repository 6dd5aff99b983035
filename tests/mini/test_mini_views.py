import numpy as np
import pytest
import torch

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import ball, gray
from models import Model, model_of
from scenes import box
from views import KEEPS, Meshes, render

from dream3d.cameras import Orbit, flatten
from dream3d.priors.mini.painting import AMBIENT, LIGHT
from dream3d.render.reference import Reference
from dream3d.seeding import generator
from dream3d.types import Mesh

SIZE = 48
CAMERAS = Orbit().sample(6, SIZE, generator(0, 0, "cameras"))


def views(model: Model, colour=KEEPS) -> np.ndarray:
    out = np.full((len(CAMERAS), SIZE, SIZE, 4), 7, np.uint8)
    which = np.zeros(len(CAMERAS), np.int64)
    render(Meshes.of([model]), which, np.tile(colour, (len(which), 1)), flatten(CAMERAS).numpy(), out)
    return gray(out)


def reference(model: Model, colours: np.ndarray) -> np.ndarray:
    """The same pictures by ray casting: another program."""
    mesh = Mesh(
        torch.from_numpy(model.vertices), torch.from_numpy(model.faces).long(), torch.from_numpy(colours).float()
    )
    image = Reference(mesh).picture(CAMERAS, light=LIGHT, supersample=2, ambient=AMBIENT)
    return torch.cat((image.colour, image.alpha), dim=-1).numpy()


@pytest.mark.parametrize("model", [ball(), model_of("box", box())], ids=lambda m: m.name)
def test_views_are_those_of_the_ray_caster(model):
    difference = np.abs(views(model) - reference(model, model.colours)).max(-1)
    assert (difference > 2 / 255).mean() < 0.002  # a ray that meets an edge exactly may go either way
    assert difference.max() < 0.3 and views(model)[..., 3].mean() > 0.1


def test_a_named_colour_is_scaled_by_the_ratio():
    model = ball()
    model = Model("half", model.vertices, model.colours, (model.vertices[:, 1] > 0).astype(np.uint8), model.faces)
    green = np.array([0.1, 0.5, 0.2], np.float32)
    tinted = np.clip(model.ratio[:, None] * green, None, 1)
    colours = np.where(model.ratio[:, None] < 0, model.colours, tinted)
    crossing = (model.tint[model.faces].max(1) > model.tint[model.faces].min(1)).sum() / len(model.faces)
    difference = np.abs(views(model, green) - reference(model, colours)).max(-1)
    assert crossing < 0.1 and (difference > 2 / 255).mean() < 0.01
    assert np.abs(views(model, green) - views(model)).max() > 0.1


def test_joined_meshes_keep_their_numbers():
    first, second = Meshes.of([ball(), model_of("box", box())]), Meshes.of([ball("small", 0.2)])
    both, out = first.followed_by(second), np.zeros((3, SIZE, SIZE, 4), np.uint8)
    cameras = flatten(CAMERAS).numpy()[[0, 0, 0]]
    render(both, np.arange(3), np.tile(KEEPS, (3, 1)), cameras, out)
    alone = np.zeros((1, SIZE, SIZE, 4), np.uint8)
    render(second, np.zeros(1, np.int64), KEEPS[None], cameras[:1], alone)
    assert len(both) == 3 and (out[2] == alone[0]).all()
    areas = gray(out)[..., 3].sum((1, 2))
    assert areas[2] < areas[0] and (out[0] != out[1]).any()
