import pytest
import torch

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import library, shapes
from coarse import volumes_of

from dream3d.priors.mini.volumes import CELLS, load_volumes


def test_a_balls_cells_are_those_that_its_surface_goes_through(tmp_path):
    found = volumes_of(library())
    assert found.names == ["ball", "small ball", "cube"] and found.nouns == [["ball"], ["ball"], ["box"]]
    centres = (torch.stack(torch.meshgrid(*[torch.arange(CELLS)] * 3, indexing="ij"), -1) + 0.5) / CELLS * 2 - 1
    away = (centres.norm(dim=-1) - 0.5).abs()
    cells, half = found.of("ball"), 3**0.5 / CELLS
    assert not cells[away > half].any() and cells[away < 0.2 * half].float().mean() > 0.9
    assert not found.occupied[:, -1].any()


def test_a_packed_prior_has_them(tmp_path):
    shapes(tmp_path)
    kept, made = load_volumes(tmp_path), volumes_of(library())
    assert kept is not None and torch.equal(kept.occupied, made.occupied) and kept.nouns == made.nouns
    assert (kept.luma - made.luma)[made.occupied].abs().max() <= 0.5 / 7 + 1e-6
