import torch
from pairs import pair_of, render_of

from dream3d.editing.views import region_shown, unchanged_views
from dream3d.seeding import generator

POINTS = torch.tensor([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0]]).view(1, 1, 2, 3)
NOW = torch.tensor([[[[0.6, 0.6, 0.6], [0.8, 0.8, 0.8]]]])
BEFORE = torch.full((1, 1, 2, 3), 0.2)


class Right:
    """A field that may change on the right."""

    everywhere = False

    def share(self, x):
        return (x[:, 0] > 0).float()

    def density(self, x):
        return x[:, 0]

    def surface(self, x):
        raise NotImplementedError


class Anywhere(Right):
    everywhere = True


def loss(field, inside: float) -> float:
    renders = [render_of(colour, torch.ones(1, 1, 2), POINTS) for colour in (NOW, BEFORE)]
    return float(unchanged_views(pair_of(field, field, *renders), generator(0, 0, "views"), inside=inside))


def test_l1_of_colour_and_alpha_outside_the_region() -> None:
    left, right = 3 * 0.4 / 4, 3 * 0.6 / 4
    assert abs(loss(Anywhere(), 0.0) - (left + right) / 2) < 1e-6
    assert abs(loss(Right(), 0.0) - left / 2) < 1e-6
    assert abs(loss(Right(), 0.25) - (left + 0.25 * right) / 2) < 1e-6


def test_the_region_shows_as_much_as_its_samples_weigh() -> None:
    seen = render_of(NOW, torch.tensor([[[1.0, 0.3]]]), POINTS)
    torch.testing.assert_close(region_shown(seen, Right()), torch.tensor([[[0.0, 0.3]]]))
