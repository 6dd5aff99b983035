"""Frechet and kernel distances between two sets of images, from their features."""

import torch
from jaxtyping import Float
from torch import Tensor


def frechet(first: Float[Tensor, "n d"], second: Float[Tensor, "m d"]) -> float:
    """The Frechet distance of two Gaussians fitted to the features (FID, arXiv 1706.08500):

        ||mu_1 - mu_2||^2 + Tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)).

    Features of Inception make it the FID; others make it a distance of their own. It is biased upwards for few
    samples (compare equal numbers of pictures alone); ``kernel_distance`` is not.

    Raises:
        ValueError: fewer than two samples in a set.
    """
    check_features(first, second)
    a, b = first.double(), second.double()
    apart = (a.mean(0) - b.mean(0)).square().sum()
    # With X and Y the centred samples over the root of their number, Tr((C_1 C_2)^(1/2)) is the sum of the singular
    # values of X Y^T: no root of a d x d matrix, which is singular where there are fewer samples than features. With
    # X = Q R these are those of R_x R_y^T, at most d x d, however many samples there are.
    x, y = (torch.linalg.qr((s - s.mean(0)) / (len(s) - 1) ** 0.5, mode="r").R for s in (a, b))
    shared = torch.linalg.svdvals(x @ y.T).sum()
    return (apart + x.square().sum() + y.square().sum() - 2 * shared).clamp(min=0).item()


def kernel_distance(first: Float[Tensor, "n d"], second: Float[Tensor, "m d"]) -> float:
    """Squared maximum mean discrepancy under ``k(x, y) = (x . y / d + 1)^3`` (KID, arXiv 1801.01401), unbiased:
    0 on average for samples of one distribution, however few, so it may be a little below 0.

    Raises:
        ValueError: fewer than two samples in a set.
    """
    check_features(first, second)
    a, b = first.double(), second.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        k, n = kernel(x, x), len(x)
        return (k.sum() - k.diagonal().sum()) / (n * (n - 1))

    return (within(a) + within(b) - 2 * kernel(a, b).mean()).item()


def check_features(first: Tensor, second: Tensor) -> None:
    """Raise ValueError for sets without a spread."""
    if min(len(first), len(second)) < 2:
        raise ValueError(f"frechet: got {len(first)} and {len(second)} samples, expected at least 2 of each")
