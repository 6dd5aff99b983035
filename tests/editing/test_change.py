import math

import torch

from dream3d.editing.change import change
from dream3d.types import Surface


class Ball:
    """Dense inside a radius; one colour on each side of x = 0."""

    def __init__(self, radius: float, left: tuple[float, ...], right: tuple[float, ...]) -> None:
        self.radius, self.left, self.right = radius, torch.tensor(left), torch.tensor(right)

    def density(self, x):
        return 100.0 * (x.norm(dim=-1) < self.radius)

    def surface(self, x):
        return Surface(self.density(x), torch.where(x[:, :1] < 0, self.left, self.right))


GREY, RED = (0.5, 0.5, 0.5), (0.8, 0.1, 0.1)
RIGHT = torch.zeros(33, 33, 33)
RIGHT[:, :, 17:] = 1  # x > 0


def test_nothing_changed() -> None:
    same = change(Ball(0.6, GREY, GREY), Ball(0.6, GREY, GREY), RIGHT, 50.0)
    assert (same.iou, same.changed, same.colour_inside, same.colour_outside) == (1.0, 0.0, 0.0, 0.0)
    assert abs(same.region - 16 / 33) < 1e-6


def test_iou_of_two_balls() -> None:
    found = change(Ball(0.7, GREY, GREY), Ball(0.6, GREY, GREY), torch.ones(9, 9, 9), 50.0, vertices=96)
    assert math.isclose(found.iou, (0.6 / 0.7) ** 3, rel_tol=0.02)
    assert math.isclose(found.changed, 1 - found.iou, rel_tol=1e-4)
    assert found.colour_inside == 0.0 and found.colour_outside is None


def test_colours_are_told_apart_inside_and_outside_the_region() -> None:
    """CIE76 between grey 50 % (L* 53.4) and this red, by hand from the formulas: about 76."""
    found = change(Ball(0.6, GREY, RED), Ball(0.6, GREY, GREY), RIGHT, 50.0)
    assert found.colour_outside == 0.0 and 70 < found.colour_inside < 82
    other_side = change(Ball(0.6, RED, GREY), Ball(0.6, GREY, GREY), RIGHT, 50.0)
    assert other_side.colour_outside > 70 and other_side.colour_inside < 5
    assert 0.02 < found.changed < 0.2, "half of the shell of the ball"
