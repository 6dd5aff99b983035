import importlib.util

import pytest
import torch
from skimage.metrics import structural_similarity

from dream3d.editing.patches import lpips, patch, structure
from dream3d.errors import UserError
from dream3d.seeding import generator


def test_the_same_square_of_both() -> None:
    places = torch.stack(torch.meshgrid(torch.arange(40.0), torch.arange(50.0), torch.zeros(1), indexing="ij"), -1)
    a = places[None, :, :, 0]
    starts = set()
    for i in range(20):
        x, y = patch(a, a + 1, 16, generator(0, i, "patch"))
        assert x.shape == (1, 3, 16, 16) and torch.equal(y, x + 1)
        assert torch.equal(x[0, 0, :, 0], torch.arange(16) + x[0, 0, 0, 0])
        starts.add((float(x[0, 0, 0, 0]), float(x[0, 1, 0, 0])))
    assert len(starts) > 10
    assert patch(a, a, 64, generator(0, 0, "patch"))[0].shape == (1, 3, 40, 40), "as much as there is"


def test_structure_is_scikit_images_ssim() -> None:
    a, noise = torch.rand(2, 1, 3, 32, 32, generator=generator(0, 0, "x"))
    b = (0.7 * a + 0.3 * noise).clamp(0, 1)
    assert float(structure(a, a)) < 1e-6
    want = structural_similarity(
        a[0].numpy(), b[0].numpy(), channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5, truncate=1.5,
        use_sample_covariance=False,
    )  # fmt: skip
    assert abs(float(structure(a, b)) - (1 - want) / 2) < 0.02


@pytest.mark.skipif(importlib.util.find_spec("lpips") is not None, reason="lpips is installed")
def test_lpips_that_is_not_installed_is_one_line() -> None:
    with pytest.raises(UserError, match="got lpips, which is not installed; pip install lpips"):
        lpips(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
