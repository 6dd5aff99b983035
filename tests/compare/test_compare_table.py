import pytest

from dream3d.compare.table import Column, Entry, Row, best, columns, entry, table
from dream3d.compare.values import Missing


def rows(variant, values, prompts=("p",)):
    """values[prompt][seed]"""
    return [
        Row(variant, prompt, seed, {"x": float(v)}, None)
        for prompt, line in zip(prompts, values, strict=True)
        for seed, v in enumerate(line)
    ]


def test_spread_is_over_seeds_of_the_mean_over_prompts():
    """Prompts differ by 100, seeds by 2: only the seeds are spread."""
    found = entry(rows("a", [[0, 2, 4], [100, 102, 104]], ("p", "q")), "x")
    assert found == Entry(mean=52.0, spread=2.0, count=6, missing=None)


def test_one_seed_has_no_spread_and_no_best():
    found = table(rows("a", [[1]]) + rows("b", [[5]]), [Column("x", "x", "", "high", "")])
    assert found["a"]["x"].spread is None and not any(v["x"].best for v in found.values())


@pytest.mark.parametrize(
    ("better", "other", "wins"),
    [("high", [0, 2], True), ("high", [7, 9], False), ("low", [20, 22], True), ("low", [9.5, 12.5], False),
     ("", [0, 2], False)],
)  # fmt: skip
def test_best_only_outside_the_spread(better, other, wins):
    """a is 9 +- 1.4; the other's mean must be further away than the larger spread."""
    found = table(rows("a", [[8, 10]]) + rows("b", [other]), [Column("x", "x", "", better, "")])
    assert found["a"]["x"].best is wins and not found["b"]["x"].best


def test_a_wide_spread_of_the_loser_counts_too():
    narrow, wide = Entry(10.0, 0.1, 2, None), Entry(5.0, 6.0, 2, None)
    assert best({"a": narrow, "b": wide}, "high") is None


def test_what_is_missing_says_why():
    failed = [Row("a", "p", 0, {}, "out of memory"), Row("a", "p", 1, {"x": Missing("no reference")}, None)]
    assert entry(failed[:1], "x").missing == "out of memory"
    assert entry(failed[1:], "x") == Entry(None, None, 0, "no reference")
    half = entry([*failed, Row("a", "p", 2, {"x": 3.0}, None)], "x")
    assert (half.mean, half.count) == (3.0, 1)


def test_columns_have_names_of_their_own():
    names = [c.name for c in columns([0.1, 0.5])]
    assert len(names) == len(set(names)) and {"snr_0.1", "snr_0.5"} < set(names)


def test_the_models_name_stands_beside_its_columns():
    titles = {c.name: c.title for c in columns([], {"clip": "ViT-B-32", "hps": "HPS_v2.1"})}
    assert titles["clip_score"] == "CLIP score (ViT-B-32)" and titles["hps"] == "HPS v2 (HPS_v2.1)"
    assert titles["image_reward"] == "ImageReward"
