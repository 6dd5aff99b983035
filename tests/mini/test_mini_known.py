import numpy as np
import pytest
import torch

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import filled_pool, training
from known import TIMES, decibels, sheet, table
from PIL import Image
from training import Options, held


@pytest.fixture(scope="module")
def pool():
    return filled_pool()


def test_decibels_of_a_known_error():
    truth = torch.zeros(2, 4, 8, 8)
    assert decibels(truth + 0.2, truth) == 20.0  # an error of 0.1 in [0, 1]


def test_the_base_knows_what_is_painted_and_an_untrained_network_is_the_base(pool):
    """Here what is painted is the model itself, so the base, a Gaussian about it of 0.1, must be near; and a fresh
    network adds nothing to it."""
    made = training(pool, Options())
    assert [pool.jobs[job].latent for job in range(held(12))].count(None) < held(12)
    found = table(made, 64)
    assert found["painted"]["any"] > 60 or pool.jobs[0].latent != pool.jobs[0].model
    assert found["base"] == found["network"] and set(found["base"]) == set(map(str, TIMES))
    assert found["base"]["990"] > 30
    torch.nn.init.normal_(made.unet.conv_out.weight, std=0.3)
    assert table(made, 64)["network"]["300"] < found["base"]["300"]


def test_a_sheet_has_three_rows(pool, tmp_path, monkeypatch):
    monkeypatch.setattr("known.STEPS", 2)
    made = training(pool, Options())
    sheet(made, 64, tmp_path / "s.jpg")
    picture = np.asarray(Image.open(tmp_path / "s.jpg"))
    assert picture.shape[0] == 3 * 64 and picture.shape[1] % 64 == 0 and picture.std() > 10
