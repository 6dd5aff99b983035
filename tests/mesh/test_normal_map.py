"""Normal maps of surfaces whose normals are known."""

import math
from dataclasses import replace

import pytest
import torch

from dream3d.mesh.beneath import Fine
from dream3d.mesh.normal_map import normal_map, tangents
from dream3d.types import Mesh

FLAT = torch.tensor([0.5, 0.5, 1.0])


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
    texels = normal_map(square(), Fine(square()), 16)
    assert torch.allclose(texels, FLAT.expand(16, 16, 3), atol=1e-6)


@pytest.mark.parametrize(
    "turned, mirrored, axis, sign", [(False, False, 0, -1), (True, False, 1, 1), (False, True, 0, 1)]
)
def test_a_slope_is_seen_in_the_frame_of_the_atlas(turned: bool, mirrored: bool, axis: int, sign: int) -> None:
    """Steep towards -x: along -u; where u runs along y, along +v; where u runs along -x, along +u."""
    texels = normal_map(square(turned=turned, mirrored=mirrored), Fine(square(20)), 16, reach=1.0)
    expected = torch.tensor([0.5, 0.5, 0.5 + 0.5 * math.cos(math.radians(20))])
    expected[axis] += 0.5 * sign * math.sin(math.radians(20))
    assert torch.allclose(texels, expected.expand(16, 16, 3), atol=1e-4)


def test_waves_on_a_flat_square() -> None:
    """z = a sin(k x): the normal is (-a k cos(k x), 0, 1) / |.|, texel by texel."""
    a, k, n, size = 0.01, 4 * math.pi, 200, 32
    x, y = torch.meshgrid(torch.linspace(0, 1, n + 1), torch.linspace(0, 1, 3), indexing="ij")
    vertices = torch.stack((x, y, a * (k * x).sin()), dim=-1).reshape(-1, 3)
    corner = (torch.arange(n)[:, None] * 3 + torch.arange(2)).reshape(-1)
    faces = torch.cat(
        (torch.stack((corner, corner + 3, corner + 4), 1), torch.stack((corner, corner + 4, corner + 1), 1))
    )
    texels = normal_map(square(), Fine(Mesh(vertices, faces)), size)
    u = (torch.arange(size) + 0.5) / size
    expected = torch.stack((-a * k * (k * u).cos(), torch.zeros(size), torch.ones(size)), dim=-1)
    expected = 0.5 + 0.5 * expected / expected.norm(dim=-1, keepdim=True)
    assert expected[:, 0].max() > 0.55  # the waves are there
    assert torch.allclose(texels, expected.expand(size, size, 3), atol=1e-3)


def test_what_is_out_of_reach_or_faces_away_is_left_flat() -> None:
    far, away = square(20), square(20)
    far.vertices[:, 2] += 3
    assert away.normals is not None
    flipped = replace(away, faces=away.faces.flip(1), normals=-away.normals)
    for fine in (far, flipped):
        assert torch.allclose(normal_map(square(), Fine(fine), 16, reach=1.0)[8, 8], FLAT)


def test_mirrored_charts_have_the_other_sign() -> None:
    assert tangents(square())[1].tolist() == [1.0] * 4 and tangents(square(mirrored=True))[1].tolist() == [-1.0] * 4


def test_tangents_are_unit_and_orthogonal_even_where_uv_have_no_area() -> None:
    for mesh in (square(30, turned=True), replace(square(30), uv=torch.zeros(4, 2))):
        tangent = tangents(mesh)[0]
        assert mesh.normals is not None
        assert (
            torch.allclose(tangent.norm(dim=1), torch.ones(4)) and (tangent * mesh.normals).sum(-1).abs().max() < 1e-6
        )


def test_an_atlas_is_needed() -> None:
    with pytest.raises(ValueError, match="without uv"):
        normal_map(Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])), Fine(square()), 16)
