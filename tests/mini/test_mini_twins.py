import numpy as np
import pytest
import torch

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import BallDecoder, gray, shapes
from twins import kept_twins, make_twins, surface_arrays
from views import KEEPS, Meshes, render

from dream3d.cameras import Orbit, flatten
from dream3d.priors.mini.latents import Latents
from dream3d.priors.mini.painting import Painter
from dream3d.seeding import generator

GREEN = (0.1, 0.7, 0.3)


@pytest.mark.parametrize("colour", [None, GREEN])
def test_a_twin_looks_as_a_run_paints_it(tmp_path, colour):
    latents = Latents(tmp_path / "none.npz", BallDecoder())
    latents.extra["ball"] = torch.zeros(3, 4, 8, 8)
    camera = flatten(Orbit().sample(3, 48, generator(0, 0, "cameras")))
    painter = Painter(latents)
    wanted = painter.paint([painter.number("ball", colour)] * 3, camera, 48).permute(0, 2, 3, 1).numpy()
    out = np.zeros((3, 48, 48, 4), np.uint8)
    meshes = Meshes.joined(*([part] for part in surface_arrays(latents, "ball")))
    target = KEEPS if colour is None else np.array(colour, np.float32)
    render(meshes, np.zeros(3, np.int64), np.tile(target, (3, 1)), camera.numpy(), out)
    # between paint and none lie triangles whose corners blend colours after tinting here as there
    assert (np.abs(gray(out) - wanted).max(-1) > 2 / 255).mean() < 0.005


def test_twins_are_kept_for_the_same_latents(tmp_path):
    shapes(tmp_path)
    first = kept_twins(tmp_path, ["ball", "cube"], 1, tmp_path / "twins.npz")
    made = make_twins(tmp_path, ["ball", "cube"], 1)
    assert len(first) == 2 and all((getattr(first, k) == getattr(made, k)).all() for k in Meshes.__dataclass_fields__)
    mark = np.load(tmp_path / "twins.npz")["mark"]
    kept_twins(tmp_path, ["ball", "cube"], 1, tmp_path / "twins.npz")
    assert np.load(tmp_path / "twins.npz")["mark"] == mark
    kept_twins(tmp_path, ["cube"], 1, tmp_path / "twins.npz")
    assert np.load(tmp_path / "twins.npz")["mark"] != mark


def test_a_latent_without_surface_has_no_faces(tmp_path):
    class Nothing(BallDecoder):
        def forward(self, latent, x):
            return x.norm(dim=-1) + 1, torch.zeros(*x.shape[:-1], 4)

    latents = Latents(tmp_path / "none.npz", Nothing())
    latents.extra["ball"] = torch.zeros(3, 4, 8, 8)
    assert [len(part) for part in surface_arrays(latents, "ball")] == [0, 0, 0, 0]
