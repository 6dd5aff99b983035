"""Ambient occlusion against its closed forms."""

import torch
import trimesh

from dream3d.mesh.beneath import Fine
from dream3d.mesh.occlusion import ambient_occlusion, directions, frame
from dream3d.types import Mesh


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


def baked(mesh: Mesh, size: int, rays: int) -> torch.Tensor:
    return ambient_occlusion(mesh, Fine(mesh), size, rays=rays)


def test_an_open_plane_sees_all_of_the_sky() -> None:
    assert torch.equal(baked(quads(FLOOR), 16, 8), torch.ones(16, 16, 1))


def test_nothing_hides_a_convex_body_however_coarse() -> None:
    ball = trimesh.creation.icosphere(subdivisions=1, radius=0.7)
    faces, vertices = torch.tensor(ball.faces), torch.tensor(ball.vertices, dtype=torch.float32)
    uv = 0.5 + 0.5 * vertices[:, :2]  # both halves in one place, which is of no matter here
    mesh = Mesh(vertices, faces, normals=torch.nn.functional.normalize(vertices, dim=-1), uv=uv)
    assert torch.equal(baked(mesh, 32, 16), torch.ones(32, 32, 1))


def test_at_the_foot_of_a_high_wall_half_of_it() -> None:
    """u runs away from the wall, which is 9 high: A = (1 + cos atan2(9, u)) / 2 at a distance u (form factor of a
    half-plane's edge, the wall being long), 0.5 at its foot."""
    texels = baked(quads(FLOOR, WALL), 32, 128)
    middle = texels[22:26, :, 0].mean(0)  # the floor's strip is the lower half; its middle in y
    u = (torch.arange(32) + 0.5) / 32
    expected = 0.5 + 0.5 * torch.cos(torch.atan2(torch.tensor(9.0), u))
    assert (middle - expected).abs().max() < 0.02


def test_under_a_ball() -> None:
    """A = 1 - (r / d)^2 on a floor straight below a ball of radius r whose centre is d away."""
    radius, distance = 0.5, 0.8
    ball = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    tiny = [[-0.01, -0.01, 0.0], [0.01, -0.01, 0.0], [0.01, 0.01, 0.0], [-0.01, 0.01, 0.0]]
    floor = quads(tiny)
    above = torch.tensor(ball.vertices, dtype=torch.float32) + torch.tensor([0.0, 0.0, distance])
    both = Mesh(torch.cat((floor.vertices, above)), torch.cat((floor.faces, torch.tensor(ball.faces) + 4)))
    seen = ambient_occlusion(floor, Fine(both), 16, rays=256)
    assert abs(float(seen.mean()) - (1 - (radius / distance) ** 2)) < 0.005
    assert float(seen.std()) < 0.02  # few hundred evenly spread rays are enough


def test_a_coarse_mesh_has_the_occlusion_of_the_fine_one() -> None:
    """A flat square that stands for a groove of two walls at right angles: near its bottom each sees half the sky,
    (1 + cos 90) / 2 = 0.5, of which the square itself has all."""
    left = [[-0.5, -50.0, 0.5], [0.0, -50.0, 0.0], [0.0, 50.0, 0.0], [-0.5, 50.0, 0.5]]
    right = [[0.0, -50.0, 0.0], [0.5, -50.0, 0.5], [0.5, 50.0, 0.5], [0.0, 50.0, 0.0]]
    square = quads([[-0.01, -0.01, 0.0], [0.01, -0.01, 0.0], [0.01, 0.01, 0.0], [-0.01, 0.01, 0.0]])
    seen = ambient_occlusion(square, Fine(quads(left, right)), 16, rays=256)
    assert (seen - 0.5).abs().max() < 0.04 and abs(float(seen.mean()) - 0.5) < 0.01


def test_the_same_bytes_again() -> None:
    mesh = quads(FLOOR, WALL)
    assert torch.equal(baked(mesh, 16, 8), baked(mesh, 16, 8))


def test_directions_have_the_cosine_density() -> None:
    """E[z] = 2/3, E[z^2] = 1/2, E[x^2] = E[y^2] = 1/4 and E[x] = E[y] = 0 for the density z / pi."""
    drawn = torch.cat(list(directions(4000, 16, torch.Generator().manual_seed(0))), dim=1)
    assert torch.allclose(drawn.norm(dim=0), torch.ones(64000), atol=1e-5) and drawn[2].min() >= 0
    first, second = drawn.mean(1), drawn.square().mean(1)
    assert torch.allclose(first, torch.tensor([0.0, 0.0, 2 / 3]), atol=2e-3)
    assert torch.allclose(second, torch.tensor([0.25, 0.25, 0.5]), atol=2e-3)


def test_frames_are_orthonormal_and_right_handed() -> None:
    normal = torch.nn.functional.normalize(torch.randn(1000, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    normal = torch.cat((normal, torch.eye(3), -torch.eye(3)))
    right, up = frame(normal)
    assert torch.allclose(torch.linalg.cross(right, up), normal, atol=1e-5)
    assert (right * up).sum(-1).abs().max() < 1e-5 and torch.allclose(right.norm(dim=1), torch.ones(len(normal)))
