import pytest
import torch

from dream3d.distill.guidance import alone, guided, perp_neg, rescaled
from dream3d.types import Conditioning, NoisePrediction


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_one_convention() -> None:
    """0 is null, 1 is cond, and the rest is the line through both."""
    cond, null = random(2, 3, 4), random(2, 3, 4, seed=1)
    eps = NoisePrediction(cond, null)
    assert torch.equal(guided(eps, 0.0), null)
    torch.testing.assert_close(guided(eps, 1.0), cond)
    torch.testing.assert_close(guided(eps, 100.0), 100 * cond - 99 * null)


def test_perp_neg_keeps_images_apart() -> None:
    """A batch of 3 with 2 negatives each equals an explicit loop over images and negatives."""
    cond, null = random(3, 2, 5), random(3, 2, 5, seed=1)
    negatives, weights = random(3, 2, 2, 5, seed=2), -random(3, 2, seed=3).abs()
    got = guided(NoisePrediction(cond, null, negatives, weights), 7.5)
    for i in range(3):
        delta = (cond[i] - null[i]).flatten()
        total = delta.clone()
        for k in range(2):
            n = (negatives[i, k] - null[i]).flatten()
            total += weights[i, k] * (n - torch.dot(n, delta) / torch.dot(delta, delta) * delta)
        torch.testing.assert_close(got[i].flatten(), null[i].flatten() + 7.5 * total)


def test_perp_neg_is_perpendicular_and_survives_cond_equal_null() -> None:
    delta, negatives, weights = random(4, 6), random(4, 3, 6, seed=1), random(4, 3, seed=2)
    inner = (perp_neg(delta, negatives, weights) * delta).sum(1)
    torch.testing.assert_close(inner, torch.zeros(4), atol=1e-5, rtol=0)
    assert torch.isfinite(perp_neg(torch.zeros(4, 6), negatives, weights)).all()


def test_rescale_per_image_and_per_group() -> None:
    result, cond = 5 * random(4, 50), random(4, 50, seed=1)
    full = rescaled(result, cond, 1.0)
    torch.testing.assert_close(full.std(dim=1), cond.std(dim=1))
    pairs = rescaled(result, cond, 1.0, views=2)
    torch.testing.assert_close(pairs.view(2, -1).std(dim=1), cond.view(2, -1).std(dim=1))
    torch.testing.assert_close(rescaled(result, cond, 0.25), 0.25 * full + 0.75 * result)
    assert torch.equal(rescaled(result, cond, 0.0), result)


def test_rescale_rejects_a_ragged_batch() -> None:
    with pytest.raises(ValueError, match="got a batch of 5, expected a multiple of 4"):
        rescaled(random(5, 3), random(5, 3), 1.0, views=4)


def test_alone_is_one_tensor_without_negatives() -> None:
    text = Conditioning(
        random(2, 3), random(2, 3), camera=random(2, 17), negatives=random(2, 1, 3), weights=random(2, 1)
    )
    single = alone(text, text.null)
    assert single.cond is text.null
    assert single.null is text.null
    assert single.negatives is None
    assert single.camera is text.camera
