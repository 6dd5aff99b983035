import torch

from dream3d.mesh.texels import MARGIN, doubled, rasterise_uv

SQUARE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
HALVES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def centres(texels, size):
    return torch.stack(((texels.column + 0.5) / size, 1 - (texels.row + 0.5) / size), dim=-1)


def points(texels, uv, faces):
    return (uv[faces[texels.face]] * texels.barycentric[..., None]).sum(1)


def test_a_full_square_covers_every_texel_once_at_its_centre():
    texels = rasterise_uv(SQUARE, HALVES, 16)
    assert len(texels.face) == 256 and len(torch.unique(texels.row * 16 + texels.column)) == 256
    torch.testing.assert_close(points(texels, SQUARE, HALVES), centres(texels, 16))
    # row 0 is v = 1: its texels belong to the upper triangle
    assert (texels.face[(texels.row == 0) & (texels.column < 14)] == 1).all()


def test_random_triangles_against_brute_force():
    generator = torch.Generator().manual_seed(0)
    size = 24
    for _ in range(20):
        uv = torch.rand(3, 2, generator=generator)
        faces = torch.tensor([[0, 1, 2]])
        texels = rasterise_uv(uv, faces, size)
        inside = (texels.barycentric > 0).all(-1)
        offset = (points(texels, uv, faces) - centres(texels, size)).norm(dim=-1) * size
        assert offset[inside].max() < 1e-3 if inside.any() else True
        assert offset.max() <= MARGIN + 1e-3
        # every texel centre that is inside by sign of the three edge functions is found
        column, row = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="xy")
        p = torch.stack(((column + 0.5) / size, 1 - (row + 0.5) / size), dim=-1)
        edge = uv.roll(-1, 0) - uv
        to = p[..., None, :] - uv
        sign = edge[:, 0] * to[..., 1] - edge[:, 1] * to[..., 0]
        expected = (sign > 0).all(-1) | (sign < 0).all(-1)
        got = torch.zeros(size, size, dtype=torch.bool)
        got[texels.row, texels.column] = True
        assert got[expected].all()


def test_thin_and_flat_triangles_are_not_lost():
    for third in (0.501, 0.5):  # thinner than a texel; without any area
        uv = torch.tensor([[0.1, 0.5], [0.9, 0.5], [0.5, third]])
        texels = rasterise_uv(uv, torch.tensor([[0, 1, 2]]), 32)
        assert len(texels.column.unique()) >= 26
        torch.testing.assert_close(texels.barycentric.sum(1), torch.ones(len(texels.face)))
        assert (texels.barycentric >= 0).all()


def test_true_cover_wins_over_a_neighbours_margin():
    uv = torch.cat((SQUARE[[0, 1, 2]], SQUARE[[0, 2, 3]] + torch.tensor([0.0, 0.0])))
    texels = rasterise_uv(uv, torch.tensor([[0, 1, 2], [3, 4, 5]]), 16)
    u, v = centres(texels, 16).unbind(1)
    off = (u - v).abs() > 1e-6
    assert torch.equal(texels.face[off], (v > u).long()[off])


def test_texels_of_two_places_are_counted():
    """A square, its mirrored half on top of it, and a square of its own beside."""
    assert doubled(SQUARE, HALVES, 16) == 0
    twice = torch.cat((HALVES, HALVES[:1].flip(1)))
    assert abs(doubled(SQUARE, twice, 64) - 0.5) < 0.02
    apart = torch.cat((SQUARE * 0.5, SQUARE * 0.5 + torch.tensor([0.5, 0.0])))
    assert doubled(apart, torch.cat((HALVES, HALVES + 4)), 32) == 0
