"""Roughness and metallic in space."""

import pytest
import torch

from dream3d.fields.material import Material


def test_it_starts_where_it_is_told_and_stays_inside_0_and_1():
    material = Material(roughness=0.7, metallic=0.05)
    x = torch.rand(50, 3) * 2 - 1
    torch.testing.assert_close(material(x), torch.tensor([[0.7, 0.05]]).expand(50, 2))
    (group,) = material.parameter_groups()
    with torch.no_grad():
        group["params"][0].fill_(30.0)
    assert float(material(x).detach().max()) <= 1


def test_it_is_trilinear_in_x_y_z():
    """Raw values that are a linear function of the place are that function everywhere."""
    material = Material(resolution=5)
    axis = torch.linspace(-1, 1, 5)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    with torch.no_grad():
        material.grid[0, 0] = x + 2 * y - z
    points = torch.rand(40, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = torch.sigmoid(points @ torch.tensor([1.0, 2.0, -1.0]))
    torch.testing.assert_close(material(points)[:, 0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("knobs", [{"roughness": 0.0}, {"metallic": 1.0}, {"resolution": 1}])
def test_a_start_that_cannot_be_is_refused(knobs):
    with pytest.raises(ValueError, match=rf"material\.{next(iter(knobs))}: got"):
        Material(**knobs)
