from dataclasses import replace

import pytest
import torch
from scenes import sphere

from dream3d.cameras import pixel_rays, turntable
from dream3d.metrics.visible_surface import visible_match
from dream3d.types import Mesh

RAYS = pixel_rays(turntable(6, 0.4, 3.0, 0.7, 160))  # dense: nearest points are rays of the other mesh


def ball(radius: float = 0.5, grey: float = 0.5) -> Mesh:
    mesh = sphere(radius, 4)
    return replace(mesh, colours=torch.full((len(mesh.vertices), 3), grey))


def test_a_mesh_is_its_own_best_match():
    found = visible_match(ball(), ball(), RAYS)
    assert (found.f_score, found.rgb) == (1.0, 100.0) and found.normals == pytest.approx(1, abs=1e-5)


def test_a_shell_counts_within_the_threshold_only():
    assert visible_match(ball(0.505), ball(), RAYS).f_score > 0.9  # 0.005 off, threshold 0.01 x 1
    assert visible_match(ball(0.55), ball(), RAYS).f_score == 0.0


def test_colour_error_in_decibels():
    assert visible_match(ball(grey=0.6), ball(grey=0.5), RAYS).rgb == pytest.approx(20, abs=1e-3)  # 10 log10(1 / 0.1^2)


def test_what_is_hidden_does_not_count():
    inner = ball(0.2, grey=0.0)
    outer = ball()
    both = Mesh(
        torch.cat((outer.vertices, inner.vertices)),
        torch.cat((outer.faces, inner.faces + len(outer.vertices))),
        colours=torch.cat((outer.colours, inner.colours)),
    )
    assert visible_match(both, outer, RAYS).f_score == 1.0


def test_nothing_to_see_is_an_error():
    away = replace(ball(), vertices=ball().vertices + 5)
    with pytest.raises(ValueError, match="see nothing"):
        visible_match(away, ball(), RAYS)
    with pytest.raises(ValueError, match="without vertex colours"):
        visible_match(replace(ball(), colours=None), ball(), RAYS)
