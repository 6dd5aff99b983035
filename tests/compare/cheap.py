"""Comparisons that take seconds: a coloured ball as the known mesh, a few tiny steps, few pictures."""

import numpy as np
import pytest
import trimesh
from rich.console import Console

from dream3d.compare.__main__ import compared
from dream3d.run import finish, stages

SETTINGS = ["prompt=a ball", "experiment=reconstruct", "steps=4", "batch_size=1", "size=16", "threads=1",
            "checkpoint_every=2", "preview_every=4", "mesh.resolution=24", "mesh.faces=200", "mesh.size=32",
            "prior.resolution=16", "picture=24", "noise_samples=2", "noise_at=[0.5]"]  # fmt: skip


def ball(folder):
    """A ball with a red and a blue half, as a PLY file."""
    shape = trimesh.creation.icosphere(subdivisions=2, radius=0.6)
    red = shape.vertices[:, :1] > 0
    shape.visual.vertex_colors = np.where(red, [[200, 40, 40, 255]], [[40, 40, 200, 255]]).astype(np.uint8)
    file = folder / "ball.ply"
    shape.export(file)
    return file


def words(mesh, out, *more):
    return [*SETTINGS, f"prior.path={mesh}", f"out={out}", *more]


def run(words):
    compared(words, Console(width=200))


def quicken(replace):
    """The turntable and the previews of a run take seconds; here two small frames and small ones do.

    ``replace(object, name, value)``: monkeypatch.setattr, or setattr.
    """
    pictures, sides = finish.write_pictures, stages.sides
    replace(finish, "write_pictures", lambda folder, mesh, prompt, _: pictures(folder, mesh, prompt, 2, 16))
    replace(stages, "sides", lambda setup: sides(setup, 16))


@pytest.fixture
def few_pictures(monkeypatch):
    quicken(monkeypatch.setattr)
