import pytest
import torch
from scenes import box, sphere

from dream3d.cameras import pixel_rays, turntable
from dream3d.geometry.ray_casting import Scene
from dream3d.types import Rays


def test_distance_to_a_sphere_is_the_closed_form():
    mesh = sphere(0.5, 5)
    rays = pixel_rays(turntable(2, 0.3, 3.0, 0.5, 32))
    hits = Scene(mesh.vertices, mesh.faces).cast(rays)
    o, d = rays.origin.reshape(-1, 3), rays.direction.reshape(-1, 3)
    along = -(o * d).sum(-1)
    miss2 = (o + along[:, None] * d).square().sum(-1)
    inside = miss2 < 0.24  # clear of the silhouette, where the icosphere is a little smaller
    exact = along - (0.25 - miss2).clamp(min=0).sqrt()
    assert bool((hits.face[inside] >= 0).all()) and bool((hits.face[miss2 > 0.25] == -1).all())
    assert torch.allclose(hits.distance[inside], exact[inside], atol=4e-3)


def test_barycentric_coordinates_rebuild_the_hit_point():
    mesh = box(0.8)
    rays = pixel_rays(turntable(3, 0.4, 3.0, 0.5, 24))
    hits = Scene(mesh.vertices, mesh.faces).cast(rays)
    hit = hits.face >= 0
    point = (mesh.vertices[mesh.faces[hits.face[hit]]] * hits.barycentric[hit][..., None]).sum(1)
    along = rays.origin.reshape(-1, 3)[hit] + hits.distance[hit][:, None] * rays.direction.reshape(-1, 3)[hit]
    assert torch.allclose(point, along, atol=1e-5)


def test_a_single_ray_hits_the_nearer_side():
    mesh = box(1.0)
    ray = Rays(torch.tensor([[[[0.1, 0.1, 5.0]]]]), torch.tensor([[[[0.0, 0.0, -1.0]]]]))
    hits = Scene(mesh.vertices, mesh.faces).cast(ray)
    assert float(hits.distance[0]) == pytest.approx(4.5)
    assert mesh.colours[mesh.faces[hits.face[0], 0]].tolist() == [0, 0, 1]


def test_no_triangles_is_an_error():
    with pytest.raises(ValueError, match="got 0 faces"):
        Scene(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64))


def test_what_is_blocked_is_what_is_hit():
    mesh = box(0.8)
    rays, scene = pixel_rays(turntable(3, 0.4, 3.0, 0.5, 24)), Scene(mesh.vertices, mesh.faces)
    hit = scene.cast(rays).face >= 0
    assert torch.equal(scene.blocked(rays), hit) and 0 < hit.float().mean() < 1
