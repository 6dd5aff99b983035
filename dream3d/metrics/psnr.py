"""Pixelwise similarity of two images (kornia)."""

import kornia.metrics
from jaxtyping import Float
from torch import Tensor


def psnr(image: Float[Tensor, "b h w c"], reference: Float[Tensor, "b h w c"]) -> Float[Tensor, ""]:
    """Peak signal-to-noise ratio (dB): ``-10 log10(mean squared error)`` over the batch, values in [0, 1]."""
    return kornia.metrics.psnr(image, reference, max_val=1.0)


def ssim(image: Float[Tensor, "b h w c"], reference: Float[Tensor, "b h w c"], window: int = 11) -> Float[Tensor, ""]:
    """Mean structural similarity (Wang et al. 2004) of values in [0, 1], Gaussian windows inside the image.

    Raises:
        ValueError: the image is smaller than the window, or the window is even.
    """
    if window % 2 == 0 or min(image.shape[1:3]) < window:
        raise ValueError(
            f"ssim: got window {window} for {image.shape[1]} x {image.shape[2]} pixels, "
            "expected an odd window that fits; pass a smaller one"
        )
    first, second = image.permute(0, 3, 1, 2), reference.permute(0, 3, 1, 2)
    return kornia.metrics.ssim(first, second, window, max_val=1.0, padding="valid").mean()
