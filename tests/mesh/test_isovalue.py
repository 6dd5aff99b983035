import math

import numpy as np
import pytest
import torch
from scipy.special import erfc
from shapes import CHUNK, ball, gaussian, solid

from dream3d.mesh.extract import sample
from dream3d.mesh.isovalue import EmptyField, auto_isovalue


def found(field, resolution=64):
    grid = sample(field, resolution=resolution, chunk=CHUNK)
    return auto_isovalue(grid.density, grid.spacing)


@pytest.mark.parametrize("density", [5.0, 50.0, 1e5])
def test_hard_field_any_level_below_its_density_will_do(density):
    assert 0 < found(solid(ball, density)) < density


@pytest.mark.parametrize("density", [20.0, 100.0])
def test_softened_field_keeps_its_size(density):
    level = found(solid(ball, density, 0.01))
    radius = 0.6 + 0.01 * math.log(density / level - 1)
    assert radius == pytest.approx(0.6, abs=0.04)


def nearest_radius(peak: float, width: float) -> float:
    """Another route: the Gaussian blob's rays at impact parameter b have erf as opacity; try radii."""
    b, t = np.linspace(0, 1, 201), np.linspace(-1, 1, 801)
    area = b * (b[1] - b[0])  # rays of a parallel beam per ring
    across = peak * np.exp(-(b**2) / (2 * width**2)) * width * math.sqrt(math.pi / 2)
    opacity = 1 - np.exp(-across[:, None] * erfc(-t / (width * math.sqrt(2))))
    opacity = opacity / opacity.max()
    radii = np.linspace(0.01, 0.95, 471)
    cost = []
    for radius in radii:
        hit = -np.sqrt(np.maximum(radius**2 - b**2, 0))
        stopped = (t >= hit[:, None]) & (b < radius)[:, None]
        cost.append((np.abs(opacity - stopped).sum(1) * area).sum())
    return float(radii[np.argmin(cost)])


@pytest.mark.parametrize(("peak", "width"), [(30.0, 0.2), (100.0, 0.15), (8.0, 0.25), (1.0, 0.2)])
def test_blob_agrees_with_a_radial_quadrature(peak, width):
    level = found(gaussian(peak, width), 96)
    radius = width * math.sqrt(2 * math.log(peak / level))
    assert radius == pytest.approx(nearest_radius(peak, width), abs=0.015)


def test_level_scales_with_the_density_of_a_faint_field():
    """For thin media opacity is linear in density, and opacities are relative: the surface stays."""
    assert found(gaussian(0.6, 0.2)) == pytest.approx(found(gaussian(0.3, 0.2)) * 2, rel=0.15)


def test_empty():
    with pytest.raises(EmptyField, match="most opaque ray of 0 "):
        auto_isovalue(torch.zeros(10, 10, 10), 0.25)
