"""Ten edits with the embedded prior, before and after, as one contact sheet and a table of figures.

python scripts/figure_edits.py --out docs/edits.jpg --runs edits --steps 40

Every edit begins as the prior's own shape (``experiment=quick``). The table has the IoU with the source, the share of
the solid pixels whose nearest colour name is the one that was asked for (for edits that name one), the judge's place
for the target among its concepts (1 the best), and CPU seconds.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from PIL import Image

from dream3d import generate
from dream3d.cameras import turntable
from dream3d.mesh.reading import load_textured
from dream3d.metrics.colour_name import colour_match
from dream3d.metrics.judge import Judge, load
from dream3d.metrics.r_precision import rank
from dream3d.priors.mini.colours import COLOURS
from dream3d.render.reference import Reference
from dream3d.run.directory import slug
from dream3d.run.shared_prior import Priors

GAP = 16  # pixels between the two columns of pairs

EDITS = (
    ("a corgi", "a red corgi", ()), ("a chair", "a blue chair", ()), ("a horse", "a zebra", ("keep=shape",)),
    ("a car", "a yellow car", ()), ("a teapot", "a green teapot", ()), ("a sofa", "a wooden sofa", ()),
    ("a cat", "a tiger", ("keep=shape",)), ("a dog", "a fox", ()), ("a horse", "a white horse", ()),
    ("a cat", "a black cat", ()),
)  # fmt: skip
VIEWS = (1, 3)  # of the eight of preview.png
SMALL = (
    "turntable=0",
    "refine=none",
    "mesh.faces=6000",
    "mesh.size=512",
    "mesh.formats=[glb]",
    "checkpoint_every=1000",
)


def run(prompt: str, steps: int, out: Path, priors: Priors, *words: str) -> float:
    """One run, unless it is there. Returns its CPU seconds, 0 where it was."""
    if (out / "run.json").is_file():
        return 0.0
    begin = time.process_time()
    generate(prompt, steps=steps, out=out, prior_of=priors, overrides=(*SMALL, "overwrite=true", *words))
    return time.process_time() - begin


def picture(folder: Path) -> Image.Image:
    """Two views of a run."""
    sheet = Image.open(folder / "preview.png").convert("RGB")
    side = sheet.width // 4
    pair = Image.new("RGB", (2 * side, side))
    for place, view in enumerate(VIEWS):
        left, top = view % 4 * side, view // 4 * side
        pair.paste(sheet.crop((left, top, left + side, top + side)), (place * side, 0))
    return pair


def figures(folder: Path, target: str, judge: Judge) -> dict[str, float]:
    """Of a finished edit: IoU with the source, and how well it matches its prompt."""
    found = json.loads((folder / "edit.json").read_text())
    mesh = Reference(load_textured(folder / "mesh.glb"))
    views = mesh.picture(turntable(8, 0.3, 3.2, 0.65, 64), supersample=2, ambient=0.85)
    row = {"iou": found["iou"], "outside": found["colour_outside"] or 0.0}
    words = target.split()
    if words[1] in COLOURS:
        palette = torch.tensor(list(COLOURS.values())) / 255
        row["colour"] = colour_match(views, palette, list(COLOURS).index(words[1]))
    if words[-1] in judge.concepts:
        true = torch.full((8,), judge.concepts.index(words[-1]))
        row["rank"] = float(rank(judge.logits(views), true).mean())
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True, help="where the runs go; finished ones are not repeated")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--only", type=int, default=len(EDITS), help="how many of the edits")
    given = parser.parse_args()
    priors, judge, pairs = Priors(), load(), []
    for source, target, words in EDITS[: given.only]:
        before, after = (given.runs / slug(prompt) for prompt in (source, target))
        run(source, 2, before, priors, "experiment=quick")
        seconds = run(target, given.steps, after, priors, f"edit={before}", *words)
        row = {**figures(after, target, judge), "cpu": seconds}
        shown = ", ".join(f"{name} {value:.3g}" for name, value in row.items())
        print(f"{source} -> {target} {' '.join(words)}: {shown}", flush=True)
        pairs.append([picture(before), picture(after)])
    width, height = pairs[0][0].size
    sheet = Image.new("RGB", (4 * width + GAP, -(-len(pairs) // 2) * height), "white")
    for i, pair in enumerate(pairs):
        for j, half in enumerate(pair):
            sheet.paste(half, (i % 2 * (2 * width + GAP) + j * width, i // 2 * height))
    sheet.save(given.out, quality=85)


if __name__ == "__main__":
    main()
