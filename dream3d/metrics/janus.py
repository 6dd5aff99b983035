"""A measure of the Janus problem: whether the object repeats its front on other sides.

Features f_i of n views evenly round the object (a turntable) are a periodic signal. After its mean is
taken away (what all views share says nothing), the share of its power that repeats k times a turn is 1
for an object with k faces, and 1/k on average for unrelated views. A face that is doubled by a mirror
instead of a rotation shows in f_i against the features of the flipped picture of view n/2 - i.

Some things repeat by nature (a vase, a cube); so what counts is the excess over a trusted object of the
same kind. The features may be any embedding (CLIP's), or ``pixel_features``.
"""

import torch
from jaxtyping import Float
from torch import Tensor

FOLDS = (2, 3)


def pixel_features(images: Float[Tensor, "n h w c"], side: int) -> Float[Tensor, "n d"]:
    """Pictures averaged down to side x side pixels, flattened."""
    small = torch.nn.functional.adaptive_avg_pool2d(images.permute(0, 3, 1, 2), side)
    return small.flatten(1)


def rotation_repeat(features: Float[Tensor, "n d"], k: int) -> float:
    """How far the views repeat k times a turn: 1 exactly, 0 like unrelated views, below 0 if they oppose.

    ``(share - 1/k) / (1 - 1/k)``, where share is the variance of the means of the k views that are
    360/k degrees apart over the variance of all. For k = 2 this is the correlation of front and back.
    0 when all views are alike: nothing is there to be doubled.

    Raises:
        ValueError: n is no multiple of k, or is k (nothing could differ).
    """
    n = len(features)
    if k < 2 or n % k or n == k:
        raise ValueError(f"janus: got {n} views for {k} repeats, expected a multiple of {k} above {k}; use 12 views")
    centred = features - features.mean(dim=0)
    total = centred.square().sum()
    if _negligible(total, features):
        return 0.0
    share = k * centred.view(k, n // k, -1).mean(dim=0).square().sum() / total
    return ((share - 1 / k) / (1 - 1 / k)).item()


def mirror_repeat(features: Float[Tensor, "n d"], flipped: Float[Tensor, "n d"]) -> float:
    """Correlation of the views with those of the object mirrored front to back; 1 if it is its own mirror.

    ``flipped`` are the features of the same pictures flipped left to right. View i of the mirrored
    object is the flipped picture of view n/2 - i.

    Raises:
        ValueError: n is odd.
    """
    n = len(features)
    if n % 2:
        raise ValueError(f"janus: got {n} views, expected an even number; use 12 views")
    mirrored = flipped[(n // 2 - torch.arange(n)) % n]
    centre = (features + mirrored).mean(dim=0) / 2
    a, b = features - centre, mirrored - centre
    scale = a.norm() * b.norm()
    return 0.0 if _negligible(scale, features) else ((a * b).sum() / scale).item()


def repeats(
    features: Float[Tensor, "n d"], flipped: Float[Tensor, "n d"], folds: tuple[int, ...] = FOLDS
) -> Float[Tensor, " k"]:
    """``rotation_repeat`` for each fold, then ``mirror_repeat``: the fingerprint that ``janus`` compares."""
    rotations = [rotation_repeat(features, k) for k in folds]
    return torch.tensor([*rotations, mirror_repeat(features, flipped)])


def janus(found: Float[Tensor, " k"], expected: Float[Tensor, " k"]) -> float:
    """The Janus score in [0, 1]: the largest excess of a repeat over what the object has by nature.

    ``max_k (found_k - e_k) / (1 - e_k)`` with ``e = max(expected, 0)``; ``expected`` is ``repeats`` of
    trusted pictures of the same thing, or zeros when there are none (then natural symmetry counts, too).
    """
    by_nature = expected.clamp(min=0, max=1)
    room = 1 - by_nature
    excess = torch.where(room > 1e-3, (found - by_nature) / room.clamp(min=1e-3), torch.zeros_like(found))
    return excess.max().clamp(0, 1).item()


def _negligible(power: Tensor, features: Tensor) -> bool:
    return bool(power <= 1e-6 * features.square().sum())
