"""Ambient occlusion against its closed forms."""

import torch

from dream3d.mesh.occlusion import ambient_occlusion, cosine_weighted
from dream3d.types import Mesh

UP = torch.tensor([[0.0, 0.0, 1.0]])


def quads(*corners: list[list[float]]) -> Mesh:
    """Squares with an own strip of the atlas each, facing as their corners turn."""
    vertices = torch.tensor([c for quad in corners for c in quad])
    faces = torch.cat([torch.tensor([[0, 1, 2], [0, 2, 3]]) + 4 * i for i in range(len(corners))])
    strip = 1 / len(corners)
    uv = torch.cat([
        torch.tensor([[0.0, i * strip], [1, i * strip], [1, (i + 1) * strip], [0, (i + 1) * strip]])
        for i in range(len(corners))
    ])  # fmt: skip
    return Mesh(vertices, faces, uv=uv)


FLOOR = [[0.0, -9.0, 0.0], [1.0, -9.0, 0.0], [1.0, 9.0, 0.0], [0.0, 9.0, 0.0]]
WALL = [[0.0, 9.0, 0.0], [0.0, 9.0, 9.0], [0.0, -9.0, 9.0], [0.0, -9.0, 0.0]]


def test_an_open_plane_sees_all_of_the_sky() -> None:
    assert torch.equal(ambient_occlusion(quads(FLOOR), 16, rays=8), torch.ones(16, 16, 1))


def test_at_the_foot_of_a_high_wall_half_of_it() -> None:
    """u runs away from the wall, which is 9 high: A = (1 + cos atan2(9, u)) / 2 at a distance u (form factor of a
    half-plane's edge, the wall being long), 0.5 at its foot."""
    texels = ambient_occlusion(quads(FLOOR, WALL), 32, rays=512, reach=100.0)
    middle = texels[22:26, :, 0].mean(0)  # the floor's strip is the lower half; its middle in y
    u = (torch.arange(32) + 0.5) / 32
    expected = 0.5 + 0.5 * torch.cos(torch.atan2(torch.tensor(9.0), u))
    assert (middle - expected).abs().max() < 0.04


def test_what_is_out_of_reach_hides_nothing() -> None:
    texels = ambient_occlusion(quads(FLOOR, WALL), 32, rays=64, reach=0.25)
    assert texels[22:26, 20:].min() == 1 and texels[22:26, 0].max() < 0.8


def test_directions_have_the_cosine_density() -> None:
    """E[w . n] = 2/3 and E[(w . n)^2] = 1/2 for the density (w . n) / pi."""
    drawn = cosine_weighted(UP.expand(200_000, 3), torch.Generator().manual_seed(0))[:, 2]
    assert drawn.min() >= 0
    assert abs(float(drawn.mean()) - 2 / 3) < 0.003 and abs(float(drawn.square().mean()) - 0.5) < 0.003
