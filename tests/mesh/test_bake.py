from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from shapes import CHUNK, Analytic, ball, cleaned, ring, solid

from dream3d.fields.material import Material
from dream3d.mesh.bake import bake, dilate, seam_error
from dream3d.mesh.colour import visible_colour
from dream3d.mesh.texels import doubled
from dream3d.mesh.unwrap import atlas_of, twice_area, unwrap
from dream3d.render.reference import texture_at
from dream3d.types import Mesh, Surface


@pytest.fixture(scope="module", params=[ball, ring], ids=["ball", "ring"])
def baked(request) -> Mesh:
    field = solid(request.param)
    return bake(unwrap(cleaned(field), size=256, padding=4), field, size=256)


def on_surface(mesh: Mesh, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random points of the surface and their uv."""
    generator = torch.Generator().manual_seed(0)
    face = torch.randint(len(mesh.faces), (n,), generator=generator)
    share = torch.distributions.Exponential(1.0).sample((n, 3))
    share = (share / share.sum(1, keepdim=True))[..., None]
    assert mesh.uv is not None
    return (mesh.vertices[mesh.faces[face]] * share).sum(1), (mesh.uv[mesh.faces[face]] * share).sum(1)


def test_unwrap_keeps_the_surface_and_does_not_overlap(baked):
    plain = cleaned(solid(ball))
    flat = unwrap(plain, size=256, padding=4)
    torch.testing.assert_close(flat.vertices[flat.faces], plain.vertices[plain.faces])
    assert flat.normals is not None and plain.normals is not None
    torch.testing.assert_close(flat.normals[flat.faces], plain.normals[plain.faces])
    assert baked.uv.min() >= 0 and baked.uv.max() <= 1
    a, b, c = baked.uv[baked.faces].double().unbind(1)
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).abs().sum() / 2
    assert 0.3 < area < 1  # overlapping charts would add up to more than what is covered


def test_baked_colours_are_the_fields_at_random_points(baked):
    x, uv = on_surface(baked, 5000)
    error = (texture_at(baked.texture, uv) - (x + 1) / 2).abs()
    assert error.max() < 0.03 and error.mean() < 0.01


def test_seams_do_not_show(baked):
    error = seam_error(baked)
    assert len(error) > 100 and error.max() < 0.03
    assert seam_error(baked, level=2).mean() < 0.05


def test_seam_error_sees_a_background():
    """Without dilation the background's colour comes in from mip level 1 on: the check must notice."""
    field = Analytic(lambda x: 50.0 * (ball(x) < 0))
    field.surface = lambda x: Surface(field.density(x), torch.ones_like(x))
    mesh = bake(unwrap(cleaned(field), size=128, padding=4), field, size=128)
    assert mesh.texture is not None
    torch.testing.assert_close(mesh.texture, torch.ones(128, 128, 3))
    assert seam_error(mesh, level=4).max() < 1e-6
    for level, row in ((0, 40), (0, 90)):
        half = mesh.texture.clone()
        half[row:] = 0
        assert seam_error(replace(mesh, texture=half), level).max() > 0.9


def test_dilation_takes_the_nearest():
    texture, covered = (
        torch.rand(9, 9, 3, generator=torch.Generator().manual_seed(0)),
        torch.zeros(9, 9, dtype=torch.bool),
    )
    covered[2, 3] = covered[7, 7] = True
    full = dilate(texture, covered)
    for row in range(9):
        for column in range(9):
            d = [(row - r) ** 2 + (column - c) ** 2 for r, c in ((2, 3), (7, 7))]
            if d[0] != d[1]:
                nearest = texture[2, 3] if d[0] < d[1] else texture[7, 7]
                assert torch.equal(full[row, column], nearest)
    with pytest.raises(ValueError, match="no covered texel"):
        dilate(texture, torch.zeros(9, 9, dtype=torch.bool))


class Layered:
    """Density 10 below y = 0, red to a depth of 0.02 and blue deeper; garbage colours where it is empty."""

    def density(self, x):
        return 10.0 * (x[:, 1] < 0)

    def surface(self, x):
        red, blue, green = torch.eye(3)[[0, 2, 1]]
        colour = torch.where((x[:, 1] > -0.02)[:, None], red, blue)
        return Surface(self.density(x), torch.where((x[:, 1] < 0)[:, None], colour, green))


def test_visible_colour_is_that_of_volume_rendering():
    up = torch.tensor([[0.0, 1.0, 0.0]])
    colour = visible_colour(Layered(), 0 * up, up, outside=0.1, inside=0.1, samples=400, chunk=100)
    opacity = -torch.expm1(torch.tensor([-0.2, -1.0]))
    expected = torch.tensor([[opacity[0] / opacity[1], 0, 1 - opacity[0] / opacity[1]]])
    torch.testing.assert_close(colour, expected, atol=2e-3, rtol=0)


def test_visible_colour_of_nothing_is_the_colour_below():
    up = torch.tensor([[0.0, 1.0, 0.0]])
    colour = visible_colour(Layered(), 0.5 * up, up, outside=0.1, inside=0.1, samples=4, chunk=100)
    torch.testing.assert_close(colour, torch.tensor([[0.0, 1.0, 0.0]]))


def test_mistakes_are_named():
    mesh, field = cleaned(solid(ball), 200), solid(ball)
    with pytest.raises(ValueError, match="without uv"):
        bake(mesh, field, size=64)
    with pytest.raises(ValueError, match=r"mesh\.size: got 8"):
        bake(unwrap(mesh, size=64, padding=1), field, size=8)
    with pytest.raises(ValueError, match="got 4, -1"):
        unwrap(mesh, size=4, padding=-1)
    with pytest.raises(ValueError, match="expected samples >= 1"):
        visible_colour(field, mesh.vertices, mesh.vertices, outside=0.1, inside=0.1, samples=0, chunk=CHUNK)
    latent = solid(ball)
    latent.surface = lambda x: Surface(field.density(x), torch.zeros(len(x), 4))
    with pytest.raises(ValueError, match=r"4 channels \(latents\)"):
        bake(unwrap(mesh, size=64, padding=1), latent, size=64)


def test_a_fields_material_is_baked_where_it_is(baked):
    """Roughness is made to grow with x; the texel under a point of the surface says so."""
    field = solid(ball)
    field.material = Material(resolution=3)
    with torch.no_grad():
        field.material.grid[0, 0] = torch.linspace(-2, 2, 3)[:, None, None]
    mesh = bake(baked, field, size=256)
    x, uv = on_surface(mesh, 300)
    got = texture_at(mesh.material, uv)
    torch.testing.assert_close(got[:, 0], torch.sigmoid(2 * x[:, 0]), atol=0.02, rtol=0)
    torch.testing.assert_close(got[:, 1], torch.full((300,), 0.05), atol=1e-4, rtol=0)
    assert baked.material is None


def test_uv_that_serve_are_kept_and_others_are_made_anew(baked):
    assert atlas_of(baked, size=256, padding=4) is baked
    plain = replace(baked, texture=None, placement=torch.arange(4.0))
    for uv in (baked.uv * 0, baked.uv * 2, (baked.uv * 2) % 1, None):
        made = atlas_of(replace(plain, uv=uv), size=64, padding=2)
        assert made.uv is not None and made.uv.amin() >= 0 and made.uv.amax() <= 1
        torch.testing.assert_close(made.vertices[made.faces], plain.vertices[plain.faces])
        torch.testing.assert_close(made.placement, plain.placement)


def test_faces_without_room_get_some_beside_the_others():
    """A quad with uv, and one whose uv are all at one place."""
    square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    vertices = torch.cat((F.pad(square, (0, 1)), F.pad(square, (0, 1), value=2.0)))
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    mesh = Mesh(vertices, faces, uv=torch.cat((square, torch.full((4, 2), 0.5))))
    made = atlas_of(mesh, size=128, padding=2)
    torch.testing.assert_close(made.vertices[made.faces], vertices[faces])
    first = made.uv[made.faces[:2]]
    torch.testing.assert_close(first / first.max(), square[faces[:2]])
    assert doubled(made.uv, made.faces, 128) == 0 and (twice_area(made.uv, made.faces) > 0.05).all()
