"""``kill -9`` at random moments of every stage, with two threads: what is resumed ends byte for byte as a run that
never was killed.

One run is killed again and again, and goes on from its checkpoint each time; a difference would stay to the end. With
DREAM3D_KILLS=20 there are so many kills a stage (about two minutes on one core).
"""

import json
import os
import random
import signal

import pytest
from mortal import NAMES, Lives
from small_run import differences, rebuild

from dream3d.run import checkpoint

KILLS = int(os.environ.get("DREAM3D_KILLS", "4"))
STEPS = 8
SMALL = (
    f"steps={STEPS}", "threads=2", "checkpoint_every=2", "preview_every=9", "turntable=0", "size=16", "batch_size=1",
    "mesh.resolution=16", "mesh.size=32", "mesh.faces=200", "refine=tets", f"refine.steps={STEPS}", "refine.size=16",
    "refine.field.resolution=8", "refine.field.levels=[4]", "refine@texture=texture", f"texture.steps={STEPS}",
    "texture.size=16",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_killed_at_random_moments_of_every_stage(tmp_path):
    draw, whole, killed = random.Random(0), tmp_path / "whole", tmp_path / "killed"
    with Lives() as lives:
        words = rebuild(tmp_path, *SMALL)
        assert lives([*words, f"out={whole}"], STEPS, 10**6, 0) == 0
        seconds = json.loads((whole / "run.json").read_text())["stages"]
        counts = dict.fromkeys((*NAMES, "export"), 0)
        for i, stage in enumerate(counts):
            moments = sorted(STEPS * i + draw.randrange(STEPS) for _ in range(KILLS))
            length = seconds["mesh"] + seconds["pictures"]
            for moment in moments if stage != "export" else [STEPS * i] * KILLS:
                wait = draw.uniform(0, 1) if stage != "export" else -draw.uniform(1e-3, length)
                begun = (killed / "checkpoint.pt").is_file()
                code = lives([f"resume={killed}"] if begun else [*words, f"out={killed}"], STEPS, moment, wait)
                assert code in (-signal.SIGKILL, 0)
                counts[stage] += code != 0
        assert lives([f"resume={killed}"], STEPS, 10**6, 0) == 0
    assert all(counts[stage] == KILLS for stage in NAMES), counts
    assert differences(*(checkpoint.load(out / "checkpoint.pt") for out in (whole, killed))) == []
    for name in ("mesh.glb", "viewer.html", "preview.png", "coarse.glb", "metrics.jsonl", "metrics-texture.jsonl"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    assert sorted(p.name for p in whole.iterdir()) == sorted(p.name for p in killed.iterdir())
