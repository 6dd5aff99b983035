import torch
from pairs import pair_of

from dream3d.editing.shape import density_correlation, in_ball
from dream3d.seeding import generator


class Grey:
    """A field without colours of its own."""

    def surface(self, x):
        raise NotImplementedError


class Blob(Grey):
    """A Gaussian density at a point, times a factor."""

    def __init__(self, at: float, factor: float) -> None:
        self.at, self.factor = torch.tensor([at, 0.0, 0.0]), factor

    def density(self, x):
        return self.factor * torch.exp(-(x - self.at).square().sum(-1) / (2 * 0.2**2))


def test_nought_for_a_shape_that_is_only_more_solid_and_more_the_farther_it_moves() -> None:
    def of(at: float, factor: float) -> float:
        return float(density_correlation(pair_of(Blob(at, factor), Blob(0.0, 3.0)), generator(0, 0, "shape")))

    assert abs(of(0.0, 9.0)) < 1e-5
    assert 0.05 < of(0.1, 3.0) < of(0.3, 3.0) < 1.1


def test_points_fill_the_ball_evenly() -> None:
    radius = in_ball(40_000, generator(0, 0, "x")).norm(dim=1)
    for r in (0.3, 0.6, 0.9):
        assert abs(float((radius < r).float().mean()) - r**3) < 0.01


def test_the_gradient_leads_back() -> None:
    """A density that has moved to the right gets less of its right side and more of its left."""
    moved = Blob(0.1, 3.0)
    factor = torch.ones(2, requires_grad=True)

    class Sides(Grey):
        def density(self, x):
            return moved.density(x) * torch.where(x[:, 0] > 0.05, factor[0], factor[1])

    density_correlation(pair_of(Sides(), Blob(0.0, 3.0)), generator(0, 0, "shape")).backward()
    assert factor.grad[0] > 0 > factor.grad[1]
