import numpy as np
import pytest
import torch

from dream3d.priors.mini.latents import (
    PaintedMesh,
    TriplaneDecoder,
    load_latents,
    save_latents,
    signed_distances,
    surface_of,
)


class Ball(TriplaneDecoder):
    """A decoder that knows a ball of radius 0.5: red above, paintable below."""

    def forward(self, latent, x):
        above = (x[..., 1:2] > 0).float()
        return x.norm(dim=-1) - 0.5, torch.cat((above, 0 * above, 0 * above, 0.5 * (1 - above)), dim=-1)


LATENT = torch.zeros(3, 4, 8, 8)


def test_the_surface_of_a_ball():
    found = surface_of(Ball(), LATENT, cells=48)
    assert float((found.vertices.norm(dim=1) - 0.5).abs().max()) < 2e-3
    a, b, c = found.vertices[found.faces].unbind(1)
    volume = float((a * torch.linalg.cross(b, c)).sum() / 6)
    assert volume == pytest.approx(4 / 3 * np.pi * 0.125, rel=0.02)  # positive: faces look outwards


def test_fine_distances_are_those_of_every_cell():
    whole = signed_distances(Ball(), LATENT, 48)
    axis = (torch.arange(48) + 0.5) / 24 - 1
    exact = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).norm(dim=-1) - 0.5
    near = exact.abs() < 0.03
    assert torch.allclose(whole[near], exact[near], atol=1e-6)
    assert torch.equal(whole < 0, exact < 0)
    with pytest.raises(ValueError, match="multiple of 24"):
        signed_distances(Ball(), LATENT, 50)


def test_a_named_colour_goes_where_the_latent_takes_paint():
    found = surface_of(Ball(), LATENT, cells=24)
    green = torch.tensor([0.1, 0.8, 0.2])
    colours, above = found.recoloured(green).colours, found.vertices[:, 1] > 0.05
    assert torch.allclose(colours[above], found.albedo[above])
    below = found.vertices[:, 1] < -0.05
    assert torch.allclose(colours[below], green.expand(int(below.sum()), 3), atol=1e-6)
    assert torch.equal(found.recoloured(None).colours, found.albedo)


def test_no_surface_is_an_error():
    class Nothing(Ball):
        def forward(self, latent, x):
            return x.norm(dim=-1) + 1, torch.zeros(*x.shape[:-1], 4)

    with pytest.raises(ValueError, match="no surface"):
        surface_of(Nothing(), LATENT, 24)


def test_packed_latents_come_back_within_half_a_step(tmp_path):
    torch.manual_seed(0)
    decoder, planes = TriplaneDecoder(4, 16), {"a": torch.randn(3, 4, 8, 8), "b": torch.randn(3, 4, 8, 8)}
    np.savez(tmp_path / "decoder.npz", **{k: v.numpy() for k, v in decoder.state_dict().items()})
    assert load_latents(tmp_path) is None
    save_latents(planes, tmp_path / "latents.npz")
    found = load_latents(tmp_path)
    step = planes["b"].abs().amax(dim=(0, 2, 3)) / 63
    assert bool(((found.latent("b") - planes["b"]).abs() <= 0.51 * step[:, None, None]).all())
    x = torch.rand(1, 20, 3)
    assert torch.equal(found.decoder(planes["a"][None], x)[0], decoder(planes["a"][None], x)[0])
    with pytest.raises(KeyError):
        found.latent("c")


def test_specks_in_empty_space_are_dropped():
    class Speckled(Ball):
        def forward(self, latent, x):
            distance, shown = super().forward(latent, x)
            speck = (x - torch.tensor([0.8, 0.8, 0.8])).norm(dim=-1) - 0.06
            return torch.minimum(distance, speck), shown

    assert float(surface_of(Speckled(), LATENT, cells=48).vertices.max()) < 0.6


def test_without_paint_a_named_colour_tints_by_luma_and_leaves_dark_parts() -> None:
    """Luma over its median times the colour: grey 0.4 is the median, 0.6 half as much again, 0.1 an eye."""
    grey = torch.tensor([0.4, 0.4, 0.4, 0.6, 0.1])[:, None].expand(5, 3)
    mesh = PaintedMesh(torch.zeros(5, 3), torch.zeros(1, 3, dtype=torch.long), grey, torch.zeros(5))
    red = torch.tensor([0.6, 0.1, 0.1])
    want = torch.stack((red, red, red, 1.5 * red, grey[4]))
    torch.testing.assert_close(mesh.recoloured(red).colours, want)
    assert torch.equal(mesh.recoloured(None).colours, grey)
