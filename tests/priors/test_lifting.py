"""A picture into the prior: planes take its outline, a surface its colours, and the noun's shape is the picture's."""

import torch
from test_mini_latents import LATENT, Ball
from test_recognition import cameras

from dream3d.priors.mini.family import MiniFamily
from dream3d.priors.mini.inversion import inverted, outline_of, sides
from dream3d.priors.mini.latents import Latents, TriplaneDecoder, surface_of
from dream3d.priors.mini.lifting import PICTURE, recognise, told
from dream3d.priors.mini.likeness import coloured_as, palette
from dream3d.priors.mini.painting import Painter
from dream3d.priors.mini.volumes import CELLS, Volumes
from dream3d.priors.mini.words import Shape
from dream3d.render.reference import Reference
from dream3d.seeding import generator


class Balls(TriplaneDecoder):
    """A decoder of balls at the origin, whose radius is 0.5 and the planes' mean; grey."""

    def forward(self, latent, x):
        radius = 0.5 + 0.1 * latent.mean()
        return x.norm(dim=-1) - radius, torch.full((*x.shape[:2], 4), 0.5)


PLANES = torch.randn(3, 4, 8, 8, generator=generator(0, 0, "planes"))


def pictured(radius: float, colour: tuple[float, float, float] = (0.5, 0.5, 0.5), edge: int = 48) -> torch.Tensor:
    """A ball from the front, without light."""
    mesh = surface_of(Ball(), LATENT, cells=24).recoloured(None)
    mesh.vertices.mul_(radius / 0.5)
    mesh.colours[:] = torch.tensor(colour)
    image = Reference(mesh).picture(cameras([0.0]).resized(edge, edge), ambient=1.0)
    return torch.cat((image.colour, image.alpha), dim=-1)[0]


def test_planes_take_the_outline_of_the_picture():
    for radius in (0.4, 0.6):
        outline = outline_of(pictured(radius)[..., 3], cameras([0.0]))
        found = inverted(Balls(), PLANES, outline, None, generator(0, 0, "image"), steps=150)
        assert abs(float(0.5 + 0.1 * found.mean()) - radius) < 0.04


def test_what_is_not_seen_follows_the_cells():
    """Cells of a ball of 0.6 against an outline of nothing: rays that all miss, and points that must be inside."""
    centres = (torch.stack(torch.meshgrid(*[torch.arange(CELLS)] * 3, indexing="ij"), -1) + 0.5) / CELLS * 2 - 1
    shell = (centres.norm(dim=-1) - 0.6).abs() < 0.06
    free, solid = sides(shell)
    corners = 1 / CELLS
    assert (free + corners).norm(dim=1).min() > 0.6 and (solid + corners).norm(dim=1).max() < 0.6
    outline = outline_of(pictured(0.6)[..., 3], cameras([0.0]))
    found = inverted(Balls(), PLANES, outline, shell, generator(0, 0, "image"), steps=100)
    assert abs(float(0.5 + 0.1 * found.mean()) - 0.6) < 0.05


def test_the_sides_that_are_not_seen_take_the_colour_too():
    surface = surface_of(Ball(), LATENT, cells=24)
    half = surface.vertices[:, 1] > 0
    rgba = pictured(0.5, (0.2, 0.4, 0.8))
    found = coloured_as(surface, rgba, cameras([0.0]), lit=False)
    blue = torch.tensor([0.2, 0.4, 0.8])
    behind = surface.vertices[:, 2] < -0.3
    assert (found.albedo[behind & half] - blue).abs().max() < 0.05, "above the ball was red, and is seen to be blue"
    assert (found.albedo - blue).abs().max() < 0.1 and found.paint.max() == 0


def test_colours_move_as_those_like_them():
    known = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9]]).repeat(50, 1)
    wanted = torch.tensor([[0.2, 0.8, 0.2], [0.9, 0.9, 0.1]]).repeat(50, 1)
    found = palette(known[:2] + 0.02, known, wanted)
    assert torch.allclose(found, wanted[:2], atol=0.03)
    far = palette(torch.tensor([[0.5, 0.5, 0.5]]), known, known + 0.05)
    assert torch.allclose(far, torch.tensor([[0.55, 0.55, 0.55]]), atol=1e-3), "like nothing known: moved on average"


def test_the_nouns_shape_becomes_the_pictures(tmp_path):
    painter = Painter(Latents(tmp_path / "none", Balls()))
    painter.latents.extra = {"grey ball": PLANES}
    family = MiniFamily({}, {"ball": ["globe"]}, painter, {"ball": Shape("grey ball", True)})
    shell = torch.zeros(1, CELLS**3 + 1, dtype=torch.bool)
    shell[0, :-1] = ((torch.cartesian_prod(*[torch.arange(CELLS)] * 3) + 0.5) / CELLS * 2 - 1).norm(dim=1) < 0.6
    volumes = Volumes(["a"], [["ball"]], shell, shell * 0.5)
    rgba = pictured(0.6, (0.8, 0.5, 0.1))
    found = recognise(family, volumes, rgba, cameras([0.0]), "", True)
    assert found is not None and found.noun == "ball" and found.azimuth == 0.0
    assert recognise(family, volumes, rgba, cameras([0.0]), "a globe", False) is not None
    other = told(family, volumes, found, rgba, cameras([0.0]), generator(0, 0, "image"))
    assert other.shapes["ball"] == Shape(PICTURE, False) and family.shapes["ball"].latent == "grey ball"
    mesh = other.shape_of("a red ball")
    assert mesh is not None and mesh.colours is not None
    assert abs(float(mesh.vertices.norm(dim=1).mean()) - 0.6) < 0.06
    assert (mesh.colours[:, 0] - mesh.colours[:, 2]).min() > 0.3, "its own colour, whatever the prompt says"
