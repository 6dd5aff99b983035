import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from dream3d.metrics.psnr import psnr, ssim


def images(seed: int) -> torch.Tensor:
    return torch.rand(2, 24, 32, 3, generator=torch.Generator().manual_seed(seed))


def test_a_constant_error_of_a_tenth_is_20_db():
    grey = torch.full((2, 8, 8, 3), 0.5)
    assert psnr(grey, grey + 0.1).item() == pytest.approx(20, abs=1e-4)


def test_identical_images():
    a = images(0)
    assert psnr(a, a).item() == float("inf")
    assert ssim(a, a).item() == pytest.approx(1, abs=1e-6)


def test_ssim_agrees_with_scikit_image():
    a = images(0)
    b = (0.7 * a + 0.3 * images(1)).contiguous()
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    theirs = [
        structural_similarity(x.numpy(), y.numpy(), channel_axis=-1, **options) for x, y in zip(a, b, strict=True)
    ]
    assert ssim(a, b).item() == pytest.approx(np.mean(theirs), abs=2e-3)


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="window 11"):
        ssim(torch.zeros(1, 8, 8, 3), torch.zeros(1, 8, 8, 3))
