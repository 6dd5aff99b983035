import pytest
import torch
from torch import nn

from dream3d.mesh.fitting import fit
from dream3d.types import Surface


class Constant(nn.Module):
    """One density everywhere; no parameter groups of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))

    def density(self, x):
        return self.value.expand(len(x))

    def surface(self, x):
        return Surface(self.density(x), torch.zeros(len(x), 3))


def test_it_finds_the_minimum_of_what_it_is_given():
    """``(value - 3)^2`` on any module that is a field; the error reported is its root."""
    field = Constant()

    def errors_of(device):
        error = (field.value - 3).square()
        return error, error

    error = fit(field, errors_of, steps=200, lr=0.1)
    assert field.value.item() == pytest.approx(3, abs=0.02)
    assert error < 0.02


def test_the_error_reported_need_not_be_the_one_minimised():
    field = Constant()
    error = fit(field, lambda _: (field.value.square(), torch.tensor(4.0)), steps=5, lr=0.1)
    assert error == pytest.approx(2)
