"""Measure the embedded prior's pictures: does the judge see in them what was asked for, and from where?

    python scripts/measure_mini.py VIEWS OUT [--prior dream3d/priors/mini] [--judge dream3d/metrics/judge]

VIEWS is the folder the prior was trained on (scripts/render_views.py). OUT gets figures.json (the judge's
top-1 on samples and on renders of the models, plain nouns and colours never trained with their noun;
azimuths told within 30 degrees; distance to the nearest training view) and pictures of samples.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture

from dream3d.cameras import Orbit, flatten
from dream3d.metrics.judge import FOLDER, Judge, load
from dream3d.priors.mini.captions import COLOURS, held_out
from dream3d.priors.mini.pipeline import Mini, load_mini
from dream3d.priors.mini.sample import ddim
from dream3d.priors.mini.views import Views
from dream3d.types import Image


def image_of(rgba: torch.Tensor) -> Image:
    """(b 4 h w) in [0, 1] -> the renderer's type (premultiplied)."""
    pixels = rgba.permute(0, 2, 3, 1)
    return Image(pixels[..., :3], pixels[..., 3:])


def sampled(mini: Mini, prompts: list[str], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture a prompt from a random camera (guidance 3, 30 steps), and the azimuths asked for."""
    generator = torch.Generator().manual_seed(seed)
    camera = flatten(Orbit().sample(len(prompts), 64, generator))
    pictures = [
        ddim(mini, prompts[i : i + 8], camera[i : i + 8], generator) for i in range(0, len(prompts), 8)
    ]
    return torch.cat(pictures), torch.atan2(camera[:, 3], camera[:, 11])


def turned_by(judge: Judge, image: Image, azimuth: torch.Tensor) -> torch.Tensor:
    """How far the azimuth seen is from the one asked for, in degrees."""
    error = judge.azimuth(image) - azimuth
    return torch.remainder(error + math.pi, 2 * math.pi).sub(math.pi).abs().rad2deg()


def told(judge: Judge, image: Image, concepts: list[str]) -> list[bool]:
    best = judge.logits(image).argmax(1)
    return [judge.concepts[int(i)] == concept for i, concept in zip(best, concepts, strict=True)]


def measured(
    judge: Judge, image: Image, concepts: list[str], azimuth: torch.Tensor, turning: set[str]
) -> dict:
    near = (turned_by(judge, image, azimuth) <= 30).tolist()
    asked = [ok for ok, concept in zip(near, concepts, strict=True) if concept in turning]
    right = told(judge, image, concepts)
    wrong = sorted({c for c, ok in zip(concepts, right, strict=True) if not ok})
    return {"pictures": len(concepts), "top1": float(np.mean(right)), "missed": wrong,
            "azimuth_within_30": float(np.mean(asked)) if asked else None}  # fmt: skip


def renders(views: Views, seed: int) -> tuple[torch.Tensor, list[str], torch.Tensor]:
    """One unseen render of every concept's most typical model, as the yardstick."""
    rng = np.random.default_rng(seed)
    pictures, azimuth = [], []
    for concept in views.concepts:
        number, group, rows = views.rows[concept][rng.integers(len(views.rows[concept]))]
        pictures.append(views.views[number][rows[0]][..., :4].astype(np.float32) / 255)
        camera = views.cameras[number][group]
        azimuth.append(math.atan2(camera[3], camera[11]))
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), views.concepts, torch.tensor(azimuth)


def nearest_view(views: Views, concept: str, picture: torch.Tensor) -> tuple[float, torch.Tensor]:
    """RMS distance to the closest training view of the concept (mirrored ones too), and that view."""
    best, closest = math.inf, picture
    for number, _, rows in views.rows[concept]:
        for row in rows:
            seen = torch.from_numpy(views.views[number][row][..., :4].astype(np.float32) / 255)
            for view in (seen.permute(2, 0, 1), seen.flip(1).permute(2, 0, 1)):
                distance = float((view - picture).square().mean().sqrt())
                if distance < best:
                    best, closest = distance, view
    return best, closest


def save_pictures(rgba: torch.Tensor, columns: int, file: Path) -> None:
    """A sheet on white, row by row."""
    rgb = (rgba[:, :3] + 1 - rgba[:, 3:]).clamp(0, 1)
    rgb = torch.cat((rgb, torch.ones(-len(rgb) % columns, *rgb.shape[1:])))
    sheet = rgb.unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    Picture.fromarray((sheet * 255).byte().numpy()).save(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("views", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--prior", type=Path, default=Path("dream3d/priors/mini"))
    parser.add_argument("--judge", type=Path, default=FOLDER)
    parser.add_argument("--pairs", type=int, default=80, help="colours never trained with their noun")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    mini, judge = load_mini(args.prior), load(args.judge)
    mini.unet.eval()
    unseen, training = Views(args.views, first=900, last=999), Views(args.views)
    turning = {c["concept"] for c in training.cards if not c["symmetric"]}
    concepts, figures = training.concepts, {}

    truth, names, azimuth = renders(unseen, args.seed)
    figures["renders"] = measured(judge, image_of(truth), names, azimuth, turning)
    plain, azimuth = sampled(mini, [f"a {c}" for c in concepts], args.seed)
    figures["plain nouns"] = measured(judge, image_of(plain), concepts, azimuth, turning)
    save_pictures(plain, 16, args.out / "plain.png")

    tinted = {c["concept"] for c in training.cards if c["recolor"]}
    pairs = [(colour, c) for c in concepts if c in tinted for colour in COLOURS if held_out(colour, c)]
    order = np.random.default_rng(args.seed).permutation(len(pairs))[: args.pairs]
    pairs = [pairs[i] for i in order]
    pictures, azimuth = sampled(mini, [f"a {colour} {c}" for colour, c in pairs], args.seed + 1)
    figures["colours never trained with their noun"] = measured(
        judge, image_of(pictures), [c for _, c in pairs], azimuth, turning
    )
    save_pictures(pictures, 16, args.out / "colours.png")
    (args.out / "colours.txt").write_text("\n".join(f"{colour} {c}" for colour, c in pairs) + "\n")

    chosen, rows, distances = ("corgi", "car", "chair", "mushroom", "castle"), [], {}
    for concept in (c for c in chosen if c in concepts):
        sample = plain[concepts.index(concept)]
        distances[concept], view = nearest_view(training, concept, sample)
        rows += [sample, view]
    figures["nearest training view, RMS"] = distances
    if rows:
        save_pictures(torch.stack(rows), 2, args.out / "nearest.png")
    (args.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
