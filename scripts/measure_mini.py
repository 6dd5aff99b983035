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
    pictures = [ddim(mini, prompts[i : i + 8], camera[i : i + 8], generator) for i in range(0, len(prompts), 8)]
    return torch.cat(pictures), torch.atan2(camera[:, 3], camera[:, 11])


def told(judge: Judge, image: Image, concepts: list[str]) -> list[bool]:
    best = judge.logits(image).argmax(1)
    return [judge.concepts[int(i)] == concept for i, concept in zip(best, concepts, strict=True)]


def measured(judge: Judge, rgba: torch.Tensor, concepts: list[str], turned: list[float | None]) -> dict:
    """``turned``: degrees between the azimuth asked for and that of the nearest view; None: symmetric."""
    right = told(judge, image_of(rgba), concepts)
    wrong = sorted({c for c, ok in zip(concepts, right, strict=True) if not ok})
    near = [angle <= 30 for angle in turned if angle is not None]
    return {"pictures": len(concepts), "top1": float(np.mean(right)), "missed": wrong,
            "azimuth_within_30": float(np.mean(near))}  # fmt: skip


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


def nearest_view(views: Views, concept: str, picture: torch.Tensor) -> tuple[float, torch.Tensor, float]:
    """The closest training view of the concept (mirrored ones too): RMS distance, view, azimuth."""
    best, closest, azimuth = math.inf, picture, 0.0
    for number, group, rows in views.rows[concept]:
        camera = views.cameras[number][group]
        here = math.atan2(camera[3], camera[11])
        seen = torch.from_numpy(views.views[number][rows][..., :4].astype(np.float32) / 255)
        for side, shown in ((here, seen), (-here, seen.flip(2))):
            distance = (shown.permute(0, 3, 1, 2) - picture).square().mean(dim=(1, 2, 3)).sqrt()
            if float(distance.min()) < best:
                best, azimuth = float(distance.min()), side
                closest = shown[int(distance.argmin())].permute(2, 0, 1)
    return best, closest, azimuth


def turned(views: Views, concepts: list[str], rgba: torch.Tensor, azimuth: torch.Tensor) -> list[float | None]:
    """How far the nearest training view is from the azimuth asked for, in degrees; None: symmetric."""
    symmetric = {c["concept"] for c in views.cards if c["symmetric"]}
    found: list[float | None] = []
    for concept, picture, asked in zip(concepts, rgba, azimuth.tolist(), strict=True):
        error = nearest_view(views, concept, picture)[2] - asked
        error = abs(math.remainder(error, 2 * math.pi))
        found.append(None if concept in symmetric else math.degrees(error))
    return found


def save_pictures(rgba: torch.Tensor, columns: int, file: Path) -> None:
    """A sheet on white, row by row."""
    rgb = (rgba[:, :3] + 1 - rgba[:, 3:]).clamp(0, 1)
    rgb = torch.cat((rgb, torch.ones(-len(rgb) % columns, *rgb.shape[1:])))
    sheet = rgb.unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    Picture.fromarray((sheet * 255).byte().numpy()).save(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    concepts, figures = training.concepts, {}

    truth, names, azimuth = renders(unseen, args.seed)
    figures["renders"] = measured(judge, truth, names, turned(training, names, truth, azimuth))
    plain, azimuth = sampled(mini, [f"a {c}" for c in concepts], args.seed)
    figures["plain nouns"] = measured(judge, plain, concepts, turned(training, concepts, plain, azimuth))
    save_pictures(plain, 16, args.out / "plain.png")

    tinted = {c["concept"] for c in training.cards if c["recolor"]}
    pairs = [(colour, c) for c in concepts if c in tinted for colour in COLOURS if held_out(colour, c)]
    order = np.random.default_rng(args.seed).permutation(len(pairs))[: args.pairs]
    pairs = [pairs[i] for i in order]
    pictures, azimuth = sampled(mini, [f"a {colour} {c}" for colour, c in pairs], args.seed + 1)
    nouns = [c for _, c in pairs]
    figures["colours never trained with their noun"] = measured(
        judge, pictures, nouns, turned(training, nouns, pictures, azimuth)
    )
    save_pictures(pictures, 16, args.out / "colours.png")
    (args.out / "colours.txt").write_text("\n".join(f"{colour} {c}" for colour, c in pairs) + "\n")

    chosen, rows, distances = ("corgi", "car", "chair", "mushroom", "castle"), [], {}
    for concept in (c for c in chosen if c in concepts):
        sample = plain[concepts.index(concept)]
        distances[concept], view, _ = nearest_view(training, concept, sample)
        rows += [sample, view]
    figures["nearest training view, RMS"] = distances
    if rows:
        save_pictures(torch.stack(rows), 2, args.out / "nearest.png")
    (args.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
