"""(|grad s| - 1)^2 near the surface."""

import pytest
import torch
from handmade_renders import picture
from meshes import of_cubes, of_grid

from dream3d.regularize.eikonal import eikonal

NORMAL = torch.tensor([0.6, 0.0, 0.8])


@pytest.mark.parametrize("slope", [0.0 + 1e-3, 0.5, 1.0, 3.0])
def test_planes_are_exact_whatever_the_offsets(slope):
    shift = 0.03 * torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))

    def plane(x):
        return slope * (x @ NORMAL - 0.1)

    nodes = len(of_grid(plane).grid.nodes)
    assert float(eikonal(of_grid(plane, shift[:nodes]))) == pytest.approx((slope - 1) ** 2, abs=1e-4)


@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0])
def test_planes_through_cubes_are_exact_too(slope):
    shift = 0.03 * torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    render = of_cubes(lambda x: slope * (x @ NORMAL - 0.1), shift)
    assert float(eikonal(render)) == pytest.approx((slope - 1) ** 2, abs=1e-4)


def test_only_the_surface_counts():
    assert float(eikonal(of_grid(lambda x: (x @ NORMAL).clamp(-0.5, 0.5)))) < 1e-6


def test_a_volume_is_an_error():
    with pytest.raises(ValueError, match="eikonal"):
        eikonal(picture(torch.zeros(1, 2, 2, 1)))
