"""R-precision: is the correct caption retrieved from distractors, given the image? (arXiv 2209.14988, 4.1)

With N captions, pictures that have nothing to do with them score 1/N; so does a model that says the same
of all captions, since ties share the credit.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def cosine_similarity(images: Float[Tensor, "n d"], texts: Float[Tensor, "concepts d"]) -> Float[Tensor, "n concepts"]:
    """Of each picture's embedding with each caption's."""
    normalize = torch.nn.functional.normalize
    return normalize(images, dim=-1) @ normalize(texts, dim=-1).T


def r_precision(similarity: Float[Tensor, "n concepts"], true: Int[Tensor, " n"]) -> float:
    """Fraction of the images whose own caption ``true[i]`` is the most similar of all.

    ``similarity`` may be cosines or logits. When k captions tie at the top, each has 1/k of the credit.

    Raises:
        ValueError: no pictures, or an index outside the captions.
    """
    check_similarity(similarity, true)
    best = similarity == similarity.amax(dim=1, keepdim=True)
    return (best.gather(1, true[:, None]).squeeze(1) / best.sum(dim=1)).mean().item()


def rank(similarity: Float[Tensor, "n concepts"], true: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Place of the true caption, 1 the best; tied captions share the mean of their places.

    Raises:
        ValueError: no pictures, or an index outside the captions.
    """
    check_similarity(similarity, true)
    own = similarity.gather(1, true[:, None])
    above, equal = (similarity > own).sum(dim=1), (similarity == own).sum(dim=1)
    return 1 + above + (equal - 1) / 2


def check_similarity(similarity: Float[Tensor, "n concepts"], true: Int[Tensor, " n"]) -> None:
    """Raise ValueError for an empty batch, caption indices out of range, or NaN similarities."""
    n, concepts = similarity.shape
    if n == 0 or true.min() < 0 or true.max() >= concepts:
        got = "no pictures" if n == 0 else f"caption indices from {true.min().item()} to {true.max().item()}"
        raise ValueError(f"r_precision: got {got}, expected at least one picture, indices in [0, {concepts})")
    if torch.isnan(similarity).any():
        raise ValueError("r_precision: got NaN among the similarities, expected numbers; check the embeddings")
