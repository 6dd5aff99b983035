import math

import pytest
import torch

from dream3d.metrics.r_precision import cosine_similarity, r_precision, rank


def test_known_table():
    similarity = torch.tensor([[0.9, 0.1, 0.2], [0.3, 0.2, 0.1], [0.1, 0.2, 0.3]])
    true = torch.tensor([0, 1, 2])
    assert r_precision(similarity, true) == pytest.approx(2 / 3)
    assert rank(similarity, true).tolist() == [1, 2, 1]


def test_ties_share_the_credit():
    similarity = torch.ones(5, 4)
    true = torch.tensor([0, 1, 2, 3, 0])
    assert r_precision(similarity, true) == pytest.approx(1 / 4)
    assert rank(similarity, true).tolist() == [2.5] * 5


def test_random_images_score_one_over_n():
    n, concepts = 20_000, 8
    generator = torch.Generator().manual_seed(0)
    images, texts = torch.randn(n, 16, generator=generator), torch.randn(concepts, 16, generator=generator)
    true = torch.randint(concepts, (n,), generator=generator)
    similarity = cosine_similarity(images, texts)
    deviation = math.sqrt(1 / concepts * (1 - 1 / concepts) / n)
    assert r_precision(similarity, true) == pytest.approx(1 / concepts, abs=4 * deviation)
    assert rank(similarity, true).mean().item() == pytest.approx((concepts + 1) / 2, abs=0.07)


def test_matched_embeddings_score_one_whatever_their_length():
    texts = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    lengths = torch.linspace(0.1, 10, 6)[:, None]
    assert r_precision(cosine_similarity(texts * lengths, texts / lengths), torch.arange(6)) == 1


@pytest.mark.parametrize("true", [[0, 3], [-1, 0]])
def test_unknown_captions_are_refused(true):
    with pytest.raises(ValueError, match="caption indices"):
        r_precision(torch.zeros(2, 3), torch.tensor(true))


def test_no_pictures_and_nan_are_refused():
    with pytest.raises(ValueError, match="no pictures"):
        r_precision(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    with pytest.raises(ValueError, match="NaN"):
        r_precision(torch.full((1, 3), float("nan")), torch.tensor([0]))
