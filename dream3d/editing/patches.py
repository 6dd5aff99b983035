"""How alike two pictures look, patch by patch, without anything to download; LPIPS where its package is installed."""

import importlib
from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.errors import UserError

WINDOW = 5  # pixels a side of the window of structural similarity

Perceptual = Callable[[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 h w"]], Float[Tensor, ""]]


def patch(
    a: Float[Tensor, "b h w 3"], b: Float[Tensor, "b h w 3"], size: int, generator: Generator
) -> tuple[Float[Tensor, "b 3 y x"], Float[Tensor, "b 3 y x"]]:
    """The same random square of ``size`` pixels (or all of a smaller picture) of both."""
    h, w = a.shape[1:3]
    size = min(size, h, w)
    top, left = (int(torch.randint(edge - size + 1, (1,), generator=generator)) for edge in (h, w))
    cut = (slice(None), slice(top, top + size), slice(left, left + size))
    return a[cut].permute(0, 3, 1, 2), b[cut].permute(0, 3, 1, 2)


def structure(a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, ""]:
    """``(1 - SSIM) / 2`` (Wang et al. 2004), windows of 5 pixels: 0 for equal pictures."""
    from kornia.losses import ssim_loss  # takes a second, and only edits of data sets need it

    return ssim_loss(a, b, WINDOW)


def lpips(a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, ""]:
    """LPIPS (arXiv 1801.03924) by VGG, as Instruct-NeRF2NeRF uses it. Raises UserError without the package ``lpips``,
    which fetches the network's weights at its first use."""
    return lpips_network(a.device)(2 * a - 1, 2 * b - 1).mean()


@cache
def lpips_network(device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """LPIPS of two pictures in [-1, 1] by VGG (arXiv 1801.03924).

    Raises:
        UserError: the package lpips is not installed.
    """
    try:
        module = importlib.import_module("lpips")
    except ImportError as error:
        raise UserError("edit.dataset.perceptual: got lpips, which is not installed; pip install lpips") from error
    return module.LPIPS(net="vgg", verbose=False).to(device).requires_grad_(False)
