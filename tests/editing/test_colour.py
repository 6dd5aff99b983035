import torch
from pairs import pair_of, render_of

from dream3d.editing.colour import surface_colour
from dream3d.seeding import generator
from dream3d.types import Surface


class Painted:
    """A colour that depends on the side."""

    def __init__(self, left: float, right: float) -> None:
        self.left, self.right = torch.tensor(left), torch.tensor(right)

    def density(self, x):
        return torch.ones(len(x))

    def surface(self, x):
        shade = torch.where(x[:, 0] < 0, self.left, self.right)
        return Surface(self.density(x), shade[:, None].expand(-1, 3))


POINTS = torch.tensor([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0]]).view(1, 1, 2, 3)


def loss(now: Painted, alpha: list[float]) -> torch.Tensor:
    seen = render_of(torch.zeros(1, 1, 2, 3), torch.tensor([[alpha]]), POINTS)
    return surface_colour(pair_of(now, Painted(0.2, 0.2), source_render=seen), generator(0, 0, "colour"), points=400)


def test_mean_square_over_what_is_seen_of_the_source() -> None:
    assert float(loss(Painted(0.2, 0.2), [1.0, 1.0])) == 0
    torch.testing.assert_close(loss(Painted(0.5, 0.5), [1.0, 1.0]), torch.tensor(0.09))
    assert float(loss(Painted(0.2, 0.9), [1.0, 0.0])) < 1e-12, "the right side is not part of the source"
    assert 0.1 < float(loss(Painted(0.2, 0.9), [1.0, 0.5])) < 0.4


def test_nothing_seen_is_no_loss_with_a_gradient() -> None:
    now = Painted(0.2, 0.9)
    seen = render_of(torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 2), POINTS)
    colour = torch.zeros(1, 1, 2, 3, requires_grad=True)
    render = render_of(colour, torch.zeros(1, 1, 2))
    value = surface_colour(pair_of(now, Painted(0.2, 0.2), render, seen), generator(0, 0, "colour"))
    value.backward()
    assert float(value.detach()) == 0 and float(colour.grad.abs().sum()) == 0
