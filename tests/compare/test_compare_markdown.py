import random
from dataclasses import asdict

import pytest
from scipy.stats import binom

from dream3d.compare.figures import number
from dream3d.compare.markdown import SHORT, conditions, filled, findings, pairs, prompt_table, short_table
from dream3d.compare.table import Row, columns, table
from dream3d.compare.values import Missing

PROMPTS = ["a corgi", "a red car", "a voxel pig | b"]


def made(variants=("sds", "csd", "vsd"), prompts=PROMPTS, seeds=(0, 1), seed=0):
    """A report.json by the package's own table, from random numbers; csd is always better by 0.3."""
    draw, rows = random.Random(seed), []
    for variant in variants:
        for prompt in prompts:
            for s in seeds:
                low = draw.random() / 4 + 0.3 * (variant == "csd")
                values = {"judge_precision": low, "judge_rank": 9 - low, "janus": 0.5, "snr_0.5": 123.4567,
                          "seconds_per_step": draw.random(), "clip_score": Missing("no CLIP was given")}  # fmt: skip
                rows.append(Row(variant, prompt, s, values, None))
    rows.append(Row("vsd", "a corgi", 2, {}, "out of memory"))
    shown = columns([0.5])
    entries = table(rows, shown)
    machine = {"cpu": "Fast 3000", "cores": 2, "gpu": None, "torch": "2.9"}
    return {
        "command": ["python", "-m", "dream3d.compare"], "columns": [asdict(c) for c in shown],
        "table": {v: {n: asdict(e) for n, e in row.items()} for v, row in entries.items()},
        "cells": [asdict(row) for row in rows], "groups": {"animals": ["a corgi"], "none": ["a ghost"]},
        "runs": {"steps": [100], "batch_size": [2], "size": [64]}, "machines": [machine],
    }  # fmt: skip


def cells_of(markdown):
    return [[c.strip() for c in line.strip("|").split(" | ")] for line in markdown.splitlines()]


def test_the_numbers_of_the_short_table_are_those_of_the_report():
    report = made()
    head, _, *lines = cells_of(short_table(report))
    names = [n for n in SHORT if report["table"]["sds"][n]["mean"] is not None]
    assert len(head) == 2 + len(names) and "judge R-precision ↑" in head and not any("CLIP" in h for h in head)
    for line, (variant, entries) in zip(lines, report["table"].items(), strict=True):
        assert line[0] == f"`{variant}`" and line[1] == ("6 of 7" if variant == "vsd" else "6")
        for text, name in zip(line[2:], names, strict=True):
            entry = entries[name]
            assert text.startswith("**") == entry["best"]
            assert text.strip("*") == f"{number(entry['mean'])} ± {number(entry['spread'])}"
    assert any("**" in text for line in lines for text in line)


def test_only_what_is_between_the_markers_changes():
    text = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb"
    once = filled(text, "x", "new")
    assert once == "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb" and filled(once, "x", "new") == once
    for bad in ("none", text + text, "<!-- x: end --><!-- x: begin -->"):
        with pytest.raises(ValueError, match="x: begin"):
            filled(bad, "x", "new")


def test_pairs_are_sign_tests_over_prompts():
    """20 prompts, csd better in all: p = 2 / 2^20; a rank is better when low; equal values tie."""
    report = made(prompts=[f"thing {i}" for i in range(20)])
    found = {(p[0], p[1], p[2]): p for p in pairs(report)}
    for name in ("judge_precision", "judge_rank"):
        wins, losses, ties, p = found[name, "sds", "csd"][4:]
        assert (wins, losses, ties) == (0, 20, 0) and p == pytest.approx(2 * binom.pmf(0, 20, 0.5))
    assert found["janus", "sds", "csd"][4:] == (0, 0, 20, 1.0)
    page = findings(report)
    assert "- judge R-precision: `csd` beats `sds`, `csd` beats `vsd`." in page
    assert "- Janus score: no pair differs significantly." in page


def test_the_page_says_what_failed_and_what_is_missing():
    report = made()
    page = findings(report)
    made_on = "19 runs of 100 steps of 2 views of 64 x 64, on Fast 3000, 2 cores a process, no GPU"
    assert made_on in conditions(report)
    assert "1 failed (vsd: out of memory)" in page and "CLIP score (no CLIP was given)" in page
    assert "no pair differs significantly" in page and "| animals |" in page and "| none |" not in page


def test_prompts_are_ordered_by_how_well_they_are_known():
    report = made(variants=("sds",), seeds=(0,))
    lines = cells_of(prompt_table(report).replace("\\|", "/"))[2:]
    values = [float(line[1]) for line in lines if line[1] != "-"]
    assert len(lines) == 3 and values == sorted(values, reverse=True)
