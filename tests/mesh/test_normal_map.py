"""Normal maps of surfaces whose normals are known."""

import math

import pytest
import torch

from dream3d.mesh.normal_map import normal_map, tangents
from dream3d.types import Mesh


def square(tilt: float = 0.0, turned: bool = False, mirrored: bool = False) -> Mesh:
    """A unit square facing +z, of which one side is lifted so that it is ``tilt`` degrees steep towards -x."""
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    slope = math.tan(math.radians(tilt))
    vertices = torch.cat((x, (slope * (x[:, :1] - 0.5))), dim=1)
    normal = torch.tensor([-slope, 0.0, 1.0])
    uv = torch.stack((x[:, 1], 1 - x[:, 0]), dim=1) if turned else x
    uv = torch.stack((1 - uv[:, 0], uv[:, 1]), dim=1) if mirrored else uv
    normals = (normal / normal.norm()).expand(4, 3).contiguous()
    return Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]), normals=normals, uv=uv)


def test_the_same_surface_is_flat() -> None:
    texels = normal_map(square(), square(), 16)
    assert torch.allclose(texels, torch.tensor([0.5, 0.5, 1.0]).expand(16, 16, 3), atol=1e-6)


@pytest.mark.parametrize(
    "turned, mirrored, axis, sign", [(False, False, 0, -1), (True, False, 1, 1), (False, True, 0, 1)]
)
def test_a_slope_is_seen_in_the_frame_of_the_atlas(turned: bool, mirrored: bool, axis: int, sign: int) -> None:
    """Steep towards -x: along -u; where u runs along y, along +v; where u runs along -x, along +u."""
    texels = normal_map(square(turned=turned, mirrored=mirrored), square(20), 16, reach=1.0)
    expected = torch.tensor([0.5, 0.5, 0.5 + 0.5 * math.cos(math.radians(20))])
    expected[axis] += 0.5 * sign * math.sin(math.radians(20))
    assert torch.allclose(texels, expected.expand(16, 16, 3), atol=1e-4)


def test_what_is_out_of_reach_or_faces_away_is_left_flat() -> None:
    far, away = square(20), square(20)
    far.vertices[:, 2] += 3
    flipped = Mesh(away.vertices, away.faces.flip(1), normals=-away.normals)  # pyright: ignore
    for fine in (far, flipped):
        assert torch.allclose(normal_map(square(), fine, 16, reach=1.0)[8, 8], torch.tensor([0.5, 0.5, 1.0]))


def test_mirrored_charts_have_the_other_sign() -> None:
    assert tangents(square())[1].tolist() == [1.0] * 4 and tangents(square(mirrored=True))[1].tolist() == [-1.0] * 4


def test_an_atlas_is_needed() -> None:
    with pytest.raises(ValueError, match="without uv"):
        normal_map(Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])), square(), 16)
