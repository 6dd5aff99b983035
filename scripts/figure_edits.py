"""Ten edits with the embedded prior, before and after, as one contact sheet and a table of figures.

python scripts/figure_edits.py --out docs/edits.jpg --runs edits

Every source is the prior's own shape (``experiment=quick``): its run is edited, or its GLB file. The table has the IoU
with the source; the share of solid pixels whose nearest colour name is the one that was asked for, or else the share of
views that the judge takes for the target; the colours' distance (CIE76) outside the region; and CPU seconds.
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
from dream3d.metrics.r_precision import r_precision
from dream3d.priors.mini.colours import COLOURS
from dream3d.render.reference import Reference
from dream3d.report.pictures import to_bytes
from dream3d.run.directory import slug
from dream3d.run.shared_prior import Priors

GAP = 16  # pixels between the two columns of pairs
SIDE = 160  # pixels of a picture

# Source, target, more words, and whether the source's GLB file is edited rather than its run.
EDITS = (
    ("a corgi", "a red corgi", (), False), ("a chair", "a blue chair", (), False),
    ("a horse", "a zebra", ("keep=shape",), False), ("a dog", "a fox", (), False),
    ("a car", "a yellow car", (), False), ("a sofa", "a wooden sofa", (), False),
    ("a horse", "a white horse", (), False), ("a cat", "a black cat", (), False),
    ("a teapot", "a green teapot", (), True), ("a chair", "a red chair", ("refine=texture", "refine.steps=40"), True),
)  # fmt: skip
SMALL = (
    "turntable=0",
    "mesh.resolution=96",
    "mesh.faces=4000",
    "mesh.size=256",
    "mesh.formats=[glb]",
    "checkpoint_every=1000",
    "preview_every=1000",
)


def run(prompt: str, out: Path, priors: Priors, *words: str) -> float:
    """One run, unless it is there. Returns its CPU seconds."""
    noted = out / "seconds.json"
    if not noted.is_file():
        begin = time.process_time()
        generate(prompt, out=out, prior_of=priors, overrides=(*SMALL, "overwrite=true", *words))
        noted.write_text(json.dumps(time.process_time() - begin))
    return json.loads(noted.read_text())


def picture(folder: Path) -> Image.Image:
    """Two views of a run's mesh."""
    reference, pair = Reference(load_textured(folder / "mesh.glb")), Image.new("RGB", (2 * SIDE, SIDE))
    cameras = turntable(8, 0.3, 3.2, 0.65, SIDE)
    for place, view in enumerate((1, 6)):
        shown = reference.picture(cameras[view : view + 1], supersample=2, ambient=0.85).over(torch.ones(1, 1, 1, 3))
        pair.paste(Image.fromarray(to_bytes(shown[0]).numpy()), (place * SIDE, 0))
    return pair


def figures(folder: Path, target: str, judge: Judge) -> dict[str, float]:
    """Of a finished edit: IoU with the source, how well it matches its prompt, and what changed elsewhere."""
    found = json.loads((folder / "edit.json").read_text())
    views = Reference(load_textured(folder / "mesh.glb")).picture(
        turntable(16, 0.3, 3.2, 0.65, 64), supersample=2, ambient=0.85
    )
    row, colour = {"iou": found["iou"]}, target.split()[1]
    if colour in COLOURS:
        palette = torch.tensor(list(COLOURS.values())) / 255
        row["colour"] = colour_match(views, palette, list(COLOURS).index(colour))
    elif colour in judge.concepts:
        true = torch.full((len(views.alpha),), judge.concepts.index(colour))
        row["judge"] = r_precision(judge.logits(views), true)
    return {**row, "outside": found["colour_outside"] or 0.0, "region": found["region"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True, help="where the runs go; finished ones are not repeated")
    parser.add_argument("--only", type=int, default=len(EDITS), help="how many of the edits")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    given = parser.parse_args()
    priors, judge, pairs = Priors(), load(), []
    threads = f"threads={given.threads}"
    for source, target, words, of_file in EDITS[: given.only]:
        before, after = (given.runs / slug(prompt) for prompt in (source, target))
        run(source, before, priors, "experiment=quick", "steps=2", threads)
        edited = (f"edit={before / 'mesh.glb'}", f"source={source}") if of_file else (f"edit={before}",)
        seconds = run(target, after, priors, *edited, *words, threads)
        row = {**figures(after, target, judge), "cpu": seconds}
        shown = ", ".join(f"{name} {value:.3g}" for name, value in row.items())
        print(f"{source} -> {target} {' '.join(words)}: {shown}", flush=True)
        pairs.append([picture(before), picture(after)])
    sheet = Image.new("RGB", (8 * SIDE + GAP, -(-len(pairs) // 2) * SIDE), "white")
    for i, pair in enumerate(pairs):
        for j, half in enumerate(pair):
            sheet.paste(half, (i % 2 * (4 * SIDE + GAP) + j * 2 * SIDE, i // 2 * SIDE))
    sheet.save(given.out, quality=85)


if __name__ == "__main__":
    main()
