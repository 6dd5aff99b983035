"""The background goes away by its colours, or in one line."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pictures import on_noise

from dream3d.errors import UserError
from dream3d.reference.cutout import by_rembg, cut_out, log_density


def test_a_disc_on_an_uneven_background_is_cut_out():
    picture, inside = on_noise()
    alpha = cut_out(torch.from_numpy(np.asarray(picture).astype(np.float32) / 255))
    both = ((alpha > 0.5) & inside).sum() / ((alpha > 0.5) | inside).sum()
    assert both > 0.92 and alpha[inside].mean() > 0.97 and alpha[~inside].mean() < 0.04


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_where_nothing_stands_out_it_says_so(noise):
    plain = (0.5 + noise * torch.randn(48, 64, 3, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    with pytest.raises(UserError, match="nothing stands out from its border"):
        cut_out(plain)


def test_the_mixture_is_a_density():
    """Of one cluster it is the Gaussian of the sample's mean and covariance (and the noise added to it)."""
    draw = np.random.default_rng(0)
    sample = draw.normal((50, 0, 0), (5, 2, 1), (4000, 3))
    sample[:, 0] = sample[:, 0].round()  # no matter how it is split
    at = np.array([[[50.0, 0, 0], [60.0, 0, 0]]])
    got = log_density(at, sample)
    variance = np.array([25 + 4, 4 + 4, 1 + 4.0])
    wanted = [-0.5 * (np.array([d, 0, 0]) ** 2 / variance).sum() - 0.5 * np.log(variance.prod()) for d in (0, 10)]
    assert np.allclose(got[0], wanted, atol=0.35)


def test_rembg_is_asked_where_it_is_installed(monkeypatch):
    with pytest.raises(UserError, match="rembg, which is not installed"):
        monkeypatch.setitem(sys.modules, "rembg", None)
        by_rembg(torch.zeros(4, 4, 3))

    def remove(picture):
        return picture.convert("RGBA")

    monkeypatch.setitem(sys.modules, "rembg", SimpleNamespace(remove=remove))
    assert by_rembg(torch.zeros(4, 5, 3)).tolist() == torch.ones(4, 5).tolist()
