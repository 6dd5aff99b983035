"""Models are found by their looks, wherever and however large they are in the picture, and so is the camera."""

import math
from dataclasses import replace

import pytest
import torch

from dream3d.cameras import orbit
from dream3d.priors.mini.recognition import FINE, looks_of, matches, recognised, thumbnail, turned
from dream3d.priors.mini.volumes import CELLS, Volumes, load_volumes, save_volumes
from dream3d.render.reference import Reference
from dream3d.types import Mesh


def blocks(name: str) -> list[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]:
    """Boxes of cells: a plank along z with a tower at its front, a plank along x, or a cube."""
    return {
        "ship": [((9, 15), (8, 11), (2, 22)), ((9, 15), (11, 18), (16, 22))],
        "bench": [((2, 22), (8, 12), (9, 15))],
        "cube": [((6, 18), (6, 18), (6, 18))],
    }[name]


def volumes() -> Volumes:
    names = ["ship", "bench", "cube"]
    occupied = torch.zeros(3, CELLS, CELLS, CELLS, dtype=torch.bool)
    for row, name in zip(occupied, names, strict=True):
        for (x0, x1), (y0, y1), (z0, z1) in blocks(name):
            row[x0:x1, y0:y1, z0:z1] = True
    flat = torch.nn.functional.pad(occupied.flatten(1), (0, 1))
    return Volumes(names, [["ship", "boat"], ["bench"], ["box"]], flat, flat * 4 / 7)


def cameras(azimuths: list[float], elevation: float = 15.0):
    angle = torch.tensor(azimuths).deg2rad()
    same = [torch.full_like(angle, value) for value in (math.radians(elevation), 3.2, 0.7)]
    return orbit(angle, *same, 8)


def picture(name: str, azimuth: float, shift: int = 0) -> torch.Tensor:
    """The blocks as a mesh, ray cast: another renderer than the one that is tested."""
    vertices, faces = [], []
    for spans in blocks(name):
        first = len(vertices)
        corners = torch.cartesian_prod(*(torch.tensor(s).float() / CELLS * 2 - 1 for s in spans))
        vertices += corners.tolist()
        quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
        faces += [[first + q[i] for i in t] for q in quads for t in ((0, 1, 2), (0, 2, 3))]
    mesh = Mesh(torch.tensor(vertices), torch.tensor(faces), torch.full((len(vertices), 3), 0.6))
    image = Reference(mesh).picture(cameras([azimuth]).resized(64, 64))
    rgba = torch.cat((image.colour, image.alpha), dim=-1)[0]
    return torch.nn.functional.pad(rgba, (0, 0, 2 * shift, 0, shift, 0))


@pytest.mark.parametrize("name", ["ship", "bench", "cube"])
@pytest.mark.parametrize("shift", [0, 30])
def test_the_model_is_found_from_a_known_camera(name, shift):
    known = volumes()
    best = matches(known, looks_of(picture(name, 25.0, shift)), cameras([25.0]))[0]
    assert known.names[best.model] == name and best.distance < 0.05


def test_the_camera_is_found():
    """Of a ship even front from back; the box says where it is in the frame."""
    azimuths = list(range(-180, 180, 30))
    best = matches(volumes(), looks_of(picture("ship", 60.0)), cameras([float(a) for a in azimuths]))[0]
    assert azimuths[best.camera] == 60 and best.model == 0
    rgba = picture("ship", 60.0)
    columns = (rgba[..., 3] > 0.5).any(0).nonzero()[:, 0]
    x, _, extent = best.box
    assert x == pytest.approx(float(columns.float().mean() + 0.5) / 64, abs=0.03)
    assert extent == pytest.approx(len(columns) / 64, abs=0.06)


def test_the_camera_is_found_between_those_that_were_tried():
    """A ship at 50 degrees, first seen from 30 or 60; models that were right for the wrong reason fall behind."""
    known, looks, tried = volumes(), looks_of(picture("ship", 50.0)), cameras([30.0, 60.0, 90.0])
    found = matches(known, looks, tried)
    nearer, at = turned(known, looks, found, tried, 10.0)
    first, before = nearer[0], next(match for match in found if match.model == 0)
    assert known.names[first.model] == "ship" and first.distance < before.distance
    assert float(torch.rad2deg(at.azimuth[first.camera])) == pytest.approx(50.0, abs=1e-3)
    assert len(at) == 3 and [match.distance for match in nearer] == sorted(match.distance for match in nearer)


def test_a_noun_narrows_the_search():
    ship = looks_of(picture("ship", 0.0))
    found = recognised(volumes(), ship, cameras([0.0]), "bench")
    assert [match.model for match in found] == [1]
    assert recognised(volumes(), ship, cameras([0.0]), "car") == []
    assert recognised(volumes(), looks_of(picture("cube", 0.0)), cameras([0.0]), None, keep=2)[0].model == 2


def test_the_picture_grows_by_half_a_cell_and_keeps_its_brightness():
    """A square of one colour: 96 pixels, and half of one of 24 cells more on every side."""
    rgba = torch.zeros(80, 80, 4)
    rgba[16:64, 16:64] = torch.tensor([0.6, 0.6, 0.6, 1.0])
    bright, alpha = looks_of(rgba)
    rows = (alpha > 0.5).any(0).nonzero()[:, 0]
    assert len(rows) == pytest.approx(96 * (1 + 1 / CELLS), abs=1)
    assert (bright[alpha > 0.99] / alpha[alpha > 0.99] - 0.6).abs().max() < 1e-3


def test_a_thumbnail_is_the_object_alone():
    views = torch.zeros(1, 2, 40, 60)
    views[:, :, 10:20, 30:50] = 1
    small = thumbnail(views, 16)[0, 1]
    assert small[4:12].min() > 0.99 and small[:3].max() == 0 and small[13:].max() == 0


def test_volumes_are_kept(tmp_path):
    known = volumes()
    save_volumes(known, tmp_path / "volumes.npz")
    kept = load_volumes(tmp_path)
    assert kept is not None and torch.equal(kept.occupied, known.occupied) and torch.allclose(kept.luma, known.luma)
    assert kept.nouns == known.nouns and kept.some([2]).names == ["cube"] and load_volumes(tmp_path / "none") is None
    assert replace(FINE, edge=8).edge == 8
