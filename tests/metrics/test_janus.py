import math

import pytest
import torch
import trimesh

from dream3d.cameras import turntable
from dream3d.metrics.janus import janus, mirror_repeat, pixel_features, repeats, rotation_repeat
from dream3d.render.reference import Reference
from dream3d.types import Mesh

VIEWS = 12
NONE = torch.zeros(3)


def head(faces: list[float], lopsided: bool = False, mirrored: bool = False) -> Mesh:
    """A grey ball with a dark face (two eyes and a mouth) at each azimuth, in degrees.

    A lopsided face has a patch over one eye; ``mirrored`` puts the second face's patch on the other side.
    """
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.8)
    vertices = torch.tensor(ball.vertices).float()
    colours = torch.full_like(vertices, 0.7)
    for number, azimuth in enumerate(faces):
        spots = [(-20.0, 20.0, 0.2), (20.0, 20.0, 0.2), (0.0, -20.0, 0.25)]
        if lopsided:
            spots.append((-55.0 if number and mirrored else 55.0, 0.0, 0.4))
        for beside, above, radius in spots:
            a, e = math.radians(azimuth + beside), math.radians(above)
            spot = 0.8 * torch.tensor([math.cos(e) * math.sin(a), math.sin(e), math.cos(e) * math.cos(a)])
            colours[(vertices - spot).norm(dim=1) < radius] = torch.tensor([0.1, 0.1, 0.3])
    return Mesh(vertices, torch.tensor(ball.faces).long(), colours)


def measured(mesh: Mesh, side: int = 16) -> torch.Tensor:
    """Repeats of the rendered turntable; the light is overhead, or it would tell front from back."""
    camera = turntable(VIEWS, elevation=0.2, distance=3.0, fov_y=0.7, size=2 * side)
    image = Reference(mesh).picture(camera, light=torch.tensor([0.0, 1.0, 0.0]), supersample=2)
    white = image.over(torch.ones(1, 1, 1, 3))
    return repeats(pixel_features(white, side), pixel_features(white.flip(2), side))


def test_one_face_is_no_janus():
    found = measured(head([0]))
    assert janus(found, NONE) < 0.25
    assert janus(found, found) == 0


@pytest.mark.parametrize("faces", [[0, 180], [0, 120, 240]])
def test_two_and_three_faces_are(faces):
    assert janus(measured(head(faces)), measured(head([0]))) > 0.95


def test_a_face_doubled_by_a_mirror_is_found_by_the_mirror():
    turned = measured(head([0, 180], lopsided=True))
    mirrored = measured(head([0, 180], lopsided=True, mirrored=True))
    assert turned[0] > 0.95 > turned[2]
    assert mirrored[2] > 0.95 > mirrored[0]
    assert measured(head([0], lopsided=True)).max() < 0.3


def test_more_of_a_second_face_scores_more():
    alone, both = head([0]), head([0, 180])
    scores = []
    for share in (0.0, 0.5, 1.0):
        mixed = Mesh(alone.vertices, alone.faces, torch.lerp(alone.colours, both.colours, share))
        scores.append(janus(measured(mixed), measured(alone)))
    assert scores[0] == 0 and scores[0] < scores[1] < scores[2]


def test_a_ball_and_a_natural_symmetry_are_no_janus():
    assert janus(measured(head([])), NONE) < 0.25  # raster noise alone
    vase = measured(head([0, 180]))
    assert janus(vase, vase) == 0


def test_repeats_of_known_signals():
    angle = torch.arange(VIEWS) * (2 * math.pi / VIEWS)
    waves = {h: torch.stack(((h * angle).cos(), (h * angle).sin()), dim=1) for h in (1, 2, 3)}
    assert rotation_repeat(waves[1], 2) == pytest.approx(-1, abs=1e-5)
    assert rotation_repeat(waves[2], 2) == pytest.approx(1, abs=1e-5)
    assert rotation_repeat(waves[3], 2) == pytest.approx(-1, abs=1e-5)
    assert rotation_repeat(waves[3], 3) == pytest.approx(1, abs=1e-5)
    assert rotation_repeat(waves[1], 3) == pytest.approx(-0.5, abs=1e-5)
    assert rotation_repeat(torch.ones(VIEWS, 4), 2) == 0
    # A flip turns sin(azimuth) round; cos has its sign changed from front to back.
    one, flip = waves[1], torch.tensor([1.0, -1.0])
    assert mirror_repeat(one[:, :1], one[:, :1]) == pytest.approx(-1, abs=1e-5)
    assert mirror_repeat(one[:, 1:], one[:, 1:] * flip[1]) == pytest.approx(-1, abs=1e-5)
    assert mirror_repeat(waves[2][:, :1], waves[2][:, :1]) == pytest.approx(1, abs=1e-5)


def test_unrelated_views_score_nothing_on_average():
    noise = torch.randn(VIEWS, 50_000, generator=torch.Generator().manual_seed(0))
    # Taking the mean away leaves n - 1 degrees of freedom: -1 / (n - 1) for k = 2.
    assert rotation_repeat(noise, 2) == pytest.approx(-1 / (VIEWS - 1), abs=0.02)


def test_view_numbers_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="8 views for 3 repeats"):
        rotation_repeat(torch.zeros(8, 2), 3)
    with pytest.raises(ValueError, match="9 views"):
        mirror_repeat(torch.zeros(9, 2), torch.zeros(9, 2))
