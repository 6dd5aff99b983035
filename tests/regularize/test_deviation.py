"""L_dev of FlexiCubes."""

from dataclasses import replace

import pytest
import torch
from handmade_renders import picture
from meshes import of_grid

from dream3d.regularize.deviation import deviation


def test_it_is_the_mean_in_cubes():
    render = of_grid(lambda x: x[:, 0] - 0.01)  # spacing 0.25
    render = replace(render, grid=replace(render.grid, deviation=torch.tensor([0.0, 0.1, 0.05])))
    assert float(deviation(render)) == pytest.approx(0.05 / 0.25)


def test_tetrahedra_and_volumes_are_errors():
    with pytest.raises(ValueError, match="expected refine=flexicubes"):
        deviation(of_grid(lambda x: x[:, 0] - 0.01))
    with pytest.raises(ValueError, match="deviation"):
        deviation(picture(torch.zeros(1, 2, 2, 1)))
