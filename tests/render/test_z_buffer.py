"""The z-buffer and Embree see the same."""

import pytest
import torch
from scenes import box, sphere

from dream3d.cameras import pixel_rays, turntable
from dream3d.geometry.ray_casting import Scene
from dream3d.render import rasterize, z_buffer
from dream3d.render.z_buffer import first_hits
from dream3d.types import Mesh


def crowd() -> Mesh:
    """A sphere inside a box that is open where a face was taken out, triangles of very different sizes."""
    inner, outer = sphere(0.3, subdivisions=4), box(0.9)
    faces = torch.cat((inner.faces, outer.faces[4:] + len(inner.vertices)))
    return Mesh(torch.cat((inner.vertices, outer.vertices)), faces)


@pytest.mark.parametrize("mesh", [box(), sphere(), crowd()], ids=["box", "sphere", "crowd"])
@pytest.mark.parametrize("candidates", [z_buffer.CANDIDATES, 1000])
def test_the_twins_agree(mesh: Mesh, candidates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(z_buffer, "CANDIDATES", candidates)
    camera = turntable(3, 0.4, 3.0, 0.8, 48)
    ours, theirs = (
        first_hits(mesh.vertices, mesh.faces, camera),
        Scene(mesh.vertices, mesh.faces).cast(pixel_rays(camera)),
    )
    hit, other = ours.face >= 0, theirs.face >= 0
    assert (hit != other).float().mean() < 1e-3 and other.float().mean() > 0.1
    both = hit & other
    same = both & (ours.face == theirs.face)
    assert same.sum() > 0.995 * both.sum()  # on a common edge either triangle will do
    torch.testing.assert_close(ours.distance[both], theirs.distance[both], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.barycentric[same], theirs.barycentric[same], rtol=0, atol=2e-3)
    assert torch.isinf(ours.distance[~hit]).all()


def test_nothing_in_sight() -> None:
    mesh = box()
    found = first_hits(mesh.vertices + torch.tensor([50.0, 0.0, 0.0]), mesh.faces, turntable(2, 0.0, 3.0, 0.7, 8))
    assert (found.face == -1).all() and len(found.face) == 128


def test_pictures_and_gradients_of_both_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh, camera, found = sphere(0.6), turntable(2, 0.3, 3.0, 0.8, 40), []
    for casts in (True, False):
        monkeypatch.setattr(rasterize, "casts", lambda _, casts=casts: casts)
        vertices = mesh.vertices.clone().requires_grad_()
        render = rasterize.rasterise(Mesh(vertices, mesh.faces), camera, lambda seen, normal: seen.point)
        (render.image.alpha * torch.linspace(0, 1, 40)[None, None, :, None]).sum().backward()
        found.append((render.image.alpha.detach(), render.image.colour.detach(), vertices.grad))
    (alpha, colour, grad), (other_alpha, other_colour, other_grad) = found
    assert (alpha - other_alpha).abs().mean() < 1e-3 and (colour - other_colour).abs().mean() < 1e-3
    assert torch.nn.functional.cosine_similarity(grad.flatten(), other_grad.flatten(), dim=0) > 0.98
